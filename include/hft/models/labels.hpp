// The names of what a classifier finds: id2label of the class with the largest logit.
//
//   const auto y = model(tokenizer({"a good film", "a bad one"}, {.padding = true}));
//   labels_of(y.logits, model.config());   // {"POSITIVE", "NEGATIVE"}
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/models/fields.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
/// id2label of config.json as names in order; empty where it has none.
ClassLabels labels_in(const json& config, std::string_view where);
/// The name of the largest of each row. Throws value_error unless there is a name for each column.
std::vector<std::string> largest_labels(matrix<const f32> logits, const ClassLabels& labels);
/// Of a float tensor with the classes last.
std::vector<std::string> largest_labels(const stored_tensor& logits, const ClassLabels& labels);

template <class Config>
ClassLabels labels_of_config(const Config& config) {
  if constexpr (requires { config.id2label; })
    return config.id2label;
  else
    return labels_in(config.fields, config.model_type);  // of an AnyModel
}
}  // namespace detail

/// The name of the class `id`. Throws value_error for an id that the config has no class for.
template <class Config>
std::string label_of(isize id, const Config& config) {
  const ClassLabels labels = detail::labels_of_config(config);
  if (id < 0 || id >= labels.count())
    throw value_error("label_of", "id", detail::joined("0 to ", labels.count() - 1), detail::joined(id));
  return labels.name(id);
}

/// The name of the class with the largest logit for each row, logits (B,labels), or for each token, one row after
/// another, (B,T,labels). Throws value_error where the config has another number of classes.
template <class A, std::size_t Rank, class D, class Config>
std::vector<std::string> labels_of(const Tensor<A, Rank, D>& logits, const Config& config) {
  const ClassLabels labels = detail::labels_of_config(config);
  if constexpr (D::tracked) {
    return labels_of(logits.value(), config);
  } else {
    const auto host = to_host(logits).dense();
    std::vector<f32> values(host.data(), host.data() + host.size());
    const isize columns = host.extent(Rank - 1);
    return detail::largest_labels({values.data(), columns ? host.size() / columns : 0, columns, columns}, labels);
  }
}
/// The same of an AnyModel's outputs: labels_of(model.forward(batch), model.config()). Throws value_error where there
/// are no logits among them.
template <class Config>
std::vector<std::string> labels_of(const std::vector<stored_tensor>& outputs, const Config& config) {
  for (const stored_tensor& t : outputs)
    if (t.name == "logits") return detail::largest_labels(t, detail::labels_of_config(config));
  throw value_error("labels_of", "outputs", "logits among them", "none");
}

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE ClassLabels labels_in(const json& config, std::string_view where) {
  ClassLabels labels;
  const json* names = find_member(config, "id2label", where);
  if (!names) return labels;
  labels.names.resize(names->size());
  for (std::size_t i = 0; i < labels.names.size(); ++i) labels.names[i] = require<std::string>(*names, cat(i), where);
  return labels;
}

HFT_INLINE std::vector<std::string> largest_labels(matrix<const f32> logits, const ClassLabels& labels) {
  if (logits.cols != labels.count())
    throw value_error("labels_of", "the logits' classes", joined(labels.count(), ", those of id2label"),
                      joined(logits.cols));
  std::vector<std::string> out;
  for (isize r = 0; r < logits.rows; ++r) {
    const f32* row = logits.row(r);
    out.push_back(labels.name(std::max_element(row, row + logits.cols) - row));
  }
  return out;
}

HFT_INLINE std::vector<std::string> largest_labels(const stored_tensor& logits, const ClassLabels& labels) {
  if (logits.dtype != dtype_id::f32 || logits.shape.empty() || logits.shape.back() < 1)
    throw value_error("labels_of", "logits", "f32 with at least one class", std::string(name(logits.dtype)));
  std::vector<f32> values(std::size_t(logits.numel()));
  std::memcpy(values.data(), logits.bytes.data(), logits.bytes.size());
  const isize columns = logits.shape.back();
  return largest_labels({values.data(), logits.numel() / columns, columns, columns}, labels);
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
