"""The peer of `grpo_tokens`, run by the virtual environment that it makes: TRL's GRPOTrainer.

Reads its settings as JSON from the first argument, trains a GPT-2 of two layers, width 64 and two
heads to write digits backwards, and prints the mean reward and the clock after every update as
JSON. A completion has as many tokens as there are digits, 64 completions are one update.
"""

import json
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import numpy as np  # noqa: E402  # the environment comes first
import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast  # noqa: E402
from trl import GRPOConfig, GRPOTrainer  # noqa: E402

SPECIAL = {"<b>": 11, "<e>": 12, "<p>": 13, "<u>": 14}


def tokenizer() -> PreTrainedTokenizerFast:
    """Digits and a colon, one token each."""
    words = {**{str(digit): digit for digit in range(10)}, ":": 10, **SPECIAL}
    inner = Tokenizer(models.WordLevel(words, unk_token="<u>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"bos_token": "<b>", "eos_token": "<e>", "pad_token": "<p>", "unk_token": "<u>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, padding_side="left", **names)


def model(n_digits: int) -> GPT2LMHeadModel:
    """Two layers, 64 wide, no dropout, a head of its own."""
    config = GPT2Config(
        vocab_size=16,
        n_positions=4 * n_digits,
        n_embd=64,
        n_layer=2,
        n_head=2,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
        tie_word_embeddings=False,
        bos_token_id=SPECIAL["<b>"],
        eos_token_id=SPECIAL["<e>"],
        pad_token_id=SPECIAL["<p>"],
    )
    return GPT2LMHeadModel(config)


def main() -> None:
    """Train, and tell."""
    wanted = json.loads(sys.argv[1])
    n_digits, group_size, n_groups = (wanted[key] for key in ("n_digits", "group_size", "n_groups"))
    torch.set_num_threads(1)
    torch.manual_seed(wanted["seed"])
    rng = np.random.default_rng(wanted["seed"])
    prompts = [" ".join(map(str, rng.integers(10, size=n_digits))) + " :" for _ in range(4096)]
    told: list[tuple[float, float]] = []

    def reward(prompts: list[str], completion_ids: list[list[int]], **_: object) -> list[float]:
        found = []
        for prompt, written in zip(prompts, completion_ids, strict=True):
            right = map(int, prompt.split()[n_digits - 1 :: -1])
            pairs = zip(right, written, strict=False)
            found.append(sum(one == other for one, other in pairs) / n_digits)
        told.append((time.perf_counter(), float(np.mean(found))))
        return found

    settings = GRPOConfig(
        output_dir=wanted["folder"],
        per_device_train_batch_size=group_size * n_groups,
        num_generations=group_size,
        max_completion_length=n_digits,
        learning_rate=wanted["learning_rate"],
        beta=0.0,
        max_steps=wanted["n_updates"],
        lr_scheduler_type="constant",
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        fp16=False,
        temperature=1.0,
        num_iterations=1,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=model(n_digits),
        reward_funcs=reward,
        args=settings,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer(),
    )
    trainer.train()
    seconds = [clock - told[0][0] for clock, _ in told]  # from the first reward on: no set-up
    print(json.dumps({"seconds": seconds, "rewards": [each for _, each in told]}))


if __name__ == "__main__":
    main()
