//! apalis workers fed from the worklist.
