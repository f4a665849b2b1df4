//! Speaks Adapty: reading a profile, posting a step.
