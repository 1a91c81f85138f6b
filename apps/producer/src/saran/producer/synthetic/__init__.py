"""Stand-ins for data sets that users download: the original columns, published statistics, made-up rows."""
