"""Feature pipelines: from raw tables to what estimators take."""
