// LoadOptions: how from_pretrained takes a checkpoint.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <hft/dtype.hpp>

namespace hft {

struct LoadOptions {
  std::optional<dtype_id> dtype = {};      // for weights of type any_q: convert to this format; default: as stored
  std::string revision = "main";           // of a hub id
  bool strict = false;                     // tensors that the model has not are an error; default: a warning (log.hpp)
  bool init_missing = false;               // weights that the checkpoint lacks are drawn anew, and named in a warning
  bool ignore_mismatched_sizes = false;    // the same of those that it has in another shape
  std::uint64_t seed = 0;                  // of what is drawn
  std::optional<isize> num_labels = {};    // of a classifier, in place of the config's
  std::vector<std::string> id2label = {};  // the same with their names
};

}  // namespace hft
