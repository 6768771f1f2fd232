// somoclu's C++ interface behind a C one: dense rows or CSR, a planar rectangular map, and
// Gaussians of standard deviation `radius`, from radius0 to radiusN. Its Python package has no way
// to its sparse kernel. Built by somoclu_peer.py.
#include <omp.h>

#include <vector>

#include "somoclu.h"

void Snapshot::write(unsigned int, som) {}  // its own is in a file that the sdist lacks

extern "C" void somoclu_train(float *dense, const long long *indptr, const int *indices,
                              const float *values, int n, int d, int n_across, int n_down,
                              int n_epochs, float radius0, float radiusN, int n_threads,
                              float *codebook, int *bmus) {
    omp_set_num_threads(n_threads);
    std::vector<svm_node> nodes;
    std::vector<svm_node *> rows;
    if (!dense) {  // each row ends with a node of index -1
        nodes.reserve(indptr[n] + n);
        for (int row = 0; row < n; ++row) {
            for (long long at = indptr[row]; at < indptr[row + 1]; ++at)
                nodes.push_back({indices[at], values[at]});
            nodes.push_back({-1, 0.0f});
        }
        for (int row = 0; row < n; ++row) rows.push_back(nodes.data() + indptr[row] + row);
    }
    EuclideanDistance distance(d);
    som map = {(unsigned)n_across, (unsigned)n_down, (unsigned)d, (unsigned)n,     "planar",
               "rectangular",      distance,         nullptr,     codebook, bmus};
    train(0, dense, rows.data(), map, n, n_epochs, radius0, radiusN, "exponential", 1.0f, 1.0f,
          "exponential", dense ? DENSE_CPU : SPARSE_CPU, false, true, 1.0f, 0);
}
