"""`matrix try`: a first look at an application, without a matrix file."""
