// Labels that are texts, one a row or one a token: made the ids of a config's classes, or the names of classes that
// have none yet.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/log.hpp>
#include <hft/models/any_config.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft::detail {

/// The classes that the rows' labels name, where they are texts; nothing where they are not. They are the config's
/// where it has them all. Else, where its classes have no names of their own and are as many, they get these, in the
/// order of the alphabet. Either is said in a warning. Throws value_error where neither fits.
std::optional<ClassLabels> text_labels_of(const Dataset& rows, const AnyConfig& config);
/// The rows with the ids of such labels; a label that is no text stays, as does -100 in a list of them. Throws
/// value_error, on access, for another.
Dataset with_label_ids(const Dataset& rows, ClassLabels labels);

#if HFT_DEFINES(TRAIN)

inline const char* label_column(const json& row) {
  for (const char* key : {"label", "labels"})
    if (find_member(row, key)) return key;
  return nullptr;
}

/// Calls f(text) for the labels of a row that are texts: the one, or those of its tokens.
template <class F>
void for_each_text_label(json& label, const F& f) {
  if (label.is_string())
    f(label);
  else if (label.is_array())
    for (json& of_token : label)
      if (of_token.is_string()) f(of_token);
}

HFT_INLINE std::optional<ClassLabels> text_labels_of(const Dataset& rows, const AnyConfig& config) {
  constexpr const char* where = "Trainer";
  if (!rows || rows.empty()) return {};
  json first = rows[0];
  const char* key = label_column(first);
  bool texts_there = false;
  if (key) for_each_text_label(first[key], [&](const json&) { texts_there = true; });
  if (!texts_there) return {};
  const auto own = get_labels(config.ref());
  if (!own)
    throw value_error(where, joined("'", key, "'"), "numbers, for a model without labels", describe(first[key]));

  ClassLabels found;
  bool known = true;
  for (isize i = 0; i < rows.size(); ++i) {
    json row = rows[i];
    json* labels = row.contains(key) ? &row[key] : nullptr;
    if (!labels || labels->is_array() != first[key].is_array()) require<std::string>(row, key, where);
    for_each_text_label(*labels, [&](const json& text) {
      auto label = text.get<std::string>();
      known = known && own->find(label) >= 0;
      if (std::find(found.names.begin(), found.names.end(), label) == found.names.end())
        found.names.push_back(std::move(label));
    });
    if (isize(found.names.size()) > most_labels) break;
  }
  std::sort(found.names.begin(), found.names.end());
  const auto listed = [](const ClassLabels& labels) {
    std::string text;
    for (isize i = 0; i < labels.count() && i < 8; ++i) text += cat(i ? ", " : "", labels.name(i), " = ", i);
    return text + (labels.count() > 8 ? ", ..." : "");
  };
  if (known) {
    log_message(log_level::warning, where, joined("the labels are texts; the config's label2id says: ", listed(*own)));
    return own;
  }
  bool unnamed = true;
  for (isize i = 0; i < own->count(); ++i) unnamed = unnamed && own->name(i) == cat("LABEL_", i);
  if (!unnamed || found.count() != own->count()) {
    std::string texts;
    for (std::size_t i = 0; i < found.names.size() && i < 8; ++i) texts += (i ? ", " : "") + found.names[i];
    throw value_error(where, joined("'", key, "'"), joined("the config's labels (", listed(*own), ")"),
                      joined(found.names.size(), " texts: ", texts));
  }
  log_message(log_level::warning, where,
              joined("the labels are texts, which the model's classes are named after: ", listed(found)));
  set_labels(config.ref(), found, where);
  return found;
}

HFT_INLINE Dataset with_label_ids(const Dataset& rows, ClassLabels labels) {
  return rows.map([labels = std::move(labels)](json row) {
    const char* key = label_column(row);
    if (!key) return row;
    for_each_text_label(row[key], [&](json& label) {
      const isize id = labels.find(label.get<std::string>());
      if (id < 0) throw value_error("Trainer", joined("'", key, "'"), "a label that is known", describe(label));
      label = id;
    });
    return row;
  });
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
