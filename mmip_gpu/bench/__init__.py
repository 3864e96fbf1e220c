"""The benchmark library: rows, rates, rivals and reports that studies and the command bench share."""
