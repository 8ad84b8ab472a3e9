// Where Apache Arrow is installed, load_dataset reads .parquet; without it, it says why not.
#include <hft/train/data/parquet.hpp>
