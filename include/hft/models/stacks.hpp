// Stacks: tensors of a file that are parameters of several modules, as experts are stored, taken apart for a loader and
// put together for a writer; where they lie is said by stack_rules (name_rules.hpp).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>
#include <hft/name_rules.hpp>

namespace hft::detail {

/// The tensors of a file, in the place of each that is a stack its slices: views of the mapped bytes. Those of a
/// parameter whose elements do not lie together are the whole slice, and `apart` says by name which of it.
struct unstacked {
  std::vector<stored_tensor> tensors;
  std::map<std::string, stack_rule::layout, std::less<>> apart;
};
/// `prefix` may stand before the names that rules have.
unstacked unstack(std::span<const stored_tensor> tensors, std::span<const stack_rule> rules, std::string_view prefix);

/// Copies a parameter (rows, cols) of elements of so many bytes out of its slice, or into it.
void take_from_slice(std::byte* piece, const std::byte* slice, const stack_rule::layout& l, isize rows, isize cols,
                     std::size_t bytes);
void put_in_slice(std::byte* slice, const std::byte* piece, const stack_rule::layout& l, isize rows, isize cols,
                  std::size_t bytes);

/// The inverse of unstack, of pieces of one dtype, blocks only where they lie together: in the place of the first piece
/// of a stack the whole of it. A piece without bytes is zeros; a tensor of which nothing has bytes is left out.
std::vector<stored_tensor> stack(std::vector<stored_tensor> tensors, std::span<const stack_rule> rules,
                                 std::string_view prefix);

}  // namespace hft::detail

#if HFT_DEFINES(MODELS)

namespace hft::detail {

// Of a bias nothing is transposed.
inline stack_rule::layout layout_of_rank(stack_rule::layout l, std::size_t rank) {
  l.transposed = l.transposed && rank > 1;
  return l;
}

// A name without the prefix, and the prefix that it has.
inline std::pair<std::string_view, std::string_view> split_prefix(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) ? std::pair{prefix, name.substr(prefix.size())}
                                  : std::pair{prefix.substr(0, 0), name};
}

// Adds the pieces that are slices of t by a rule; false where it is no such stack.
inline bool take_apart(const stored_tensor& t, const stack_rule& rule, std::string_view prefix, unstacked& out) {
  constexpr isize most = 1 << 16;  // slices; more are no experts
  const auto [front, name] = split_prefix(t.name, prefix);
  if (t.shape.size() < 2 || t.shape[0] < 1 || t.shape[0] > most || !piece_of(rule, name, 0)) return false;
  if (t.shape[0] > 1 && piece_of(rule, name, 0) == piece_of(rule, name, 1)) return false;  // it is one parameter
  std::vector<isize> shape(t.shape.begin() + 1, t.shape.end());
  const auto layout = layout_of_rank(rule.stored, shape.size());
  if (layout.transposed) std::swap(shape[0], shape[1]);
  if (shape[0] % layout.parts) return false;
  shape[0] /= layout.parts;
  const std::size_t slice = t.bytes.size() / std::size_t(t.shape[0]), part = slice / std::size_t(layout.parts);
  for (isize i = 0; i < t.shape[0]; ++i) {
    stored_tensor piece = t;
    piece.name = cat(front, *piece_of(rule, name, i));
    piece.shape = shape;
    piece.bytes = t.bytes.subspan(std::size_t(i) * slice, slice);
    if (layout.together())
      piece.bytes = piece.bytes.subspan(std::size_t(layout.part) * part, part);
    else
      out.apart.emplace(piece.name, layout);
    out.tensors.push_back(std::move(piece));
  }
  return true;
}

HFT_INLINE_ONCE unstacked unstack(std::span<const stored_tensor> tensors, std::span<const stack_rule> rules,
                                  std::string_view prefix) {
  unstacked out;
  for (const auto& t : tensors) {
    bool taken = false;
    for (const auto& rule : rules) taken = take_apart(t, rule, prefix, out) || taken;
    if (!taken) out.tensors.push_back(t);
  }
  return out;
}

HFT_INLINE_ONCE void take_from_slice(std::byte* piece, const std::byte* slice, const stack_rule::layout& l, isize rows,
                                     isize cols, std::size_t bytes) {
  for (isize r = 0; r < rows; ++r)
    for (isize c = 0; c < cols; ++c)
      std::memcpy(piece + std::size_t(r * cols + c) * bytes, slice + std::size_t(l.place(r, c, rows, cols)) * bytes,
                  bytes);
}

HFT_INLINE_ONCE void put_in_slice(std::byte* slice, const std::byte* piece, const stack_rule::layout& l, isize rows,
                                  isize cols, std::size_t bytes) {
  for (isize r = 0; r < rows; ++r)
    for (isize c = 0; c < cols; ++c)
      std::memcpy(slice + std::size_t(l.place(r, c, rows, cols)) * bytes, piece + std::size_t(r * cols + c) * bytes,
                  bytes);
}

// The stack whose pieces these are.
inline stored_tensor put_together(std::string name, const std::vector<std::pair<stored_tensor, stack_place>>& pieces) {
  const auto& first = pieces.front().first;
  isize slices = 0;
  for (const auto& [piece, place] : pieces) slices = std::max(slices, place.at + 1);
  stored_tensor whole;
  whole.name = std::move(name), whole.dtype = first.dtype, whole.shape = first.shape;
  const auto layout = layout_of_rank(pieces.front().second.stored, first.shape.size());
  whole.shape[0] *= layout.parts;
  if (layout.transposed) std::swap(whole.shape[0], whole.shape[1]);
  whole.shape.insert(whole.shape.begin(), slices);
  const std::size_t element = std::size_t(info(first.dtype).bytes);
  const std::size_t slice = std::size_t(storage_bytes(first.dtype, whole.shape).value_or(0)) / std::size_t(slices);
  auto bytes = std::make_shared<std::vector<std::byte>>(std::size_t(slices) * slice);
  bool any = false;
  for (const auto& [piece, place] : pieces) {
    if (piece.shape != first.shape)
      throw weight_error("stack", cat("tensor ", quote_text(piece.name)), shape_text(first.shape),
                         shape_text(piece.shape));
    if (piece.bytes.empty()) continue;
    any = true;
    const isize rows = piece.shape[0], cols = piece.numel() / std::max<isize>(rows, 1);
    std::byte* to = bytes->data() + std::size_t(place.at) * slice;
    const auto stored = layout_of_rank(place.stored, piece.shape.size());
    if (piece.dtype == first.dtype && stored.together())  // of blocks, too
      std::memcpy(to + slice / std::size_t(stored.parts) * std::size_t(stored.part), piece.bytes.data(),
                  piece.bytes.size());
    else if (piece.dtype == first.dtype && info(first.dtype).block == 1)
      put_in_slice(to, piece.bytes.data(), stored, rows, cols, element);
    else
      throw unsupported_error("stack", cat("tensor ", quote_text(piece.name)), std::string(hft::name(first.dtype)),
                              std::string(hft::name(piece.dtype)));
  }
  if (any) whole.bytes = *bytes, whole.owner = std::move(bytes);
  return whole;
}

HFT_INLINE_ONCE std::vector<stored_tensor> stack(std::vector<stored_tensor> tensors, std::span<const stack_rule> rules,
                                                 std::string_view prefix) {
  std::map<std::string, std::vector<std::pair<stored_tensor, stack_place>>, std::less<>> stacks;
  std::vector<stored_tensor> out;
  for (auto& t : tensors) {
    const auto [front, name] = split_prefix(t.name, prefix);
    auto place = whole_of(rules, name);
    if (!place) {
      out.push_back(std::move(t));
      continue;
    }
    auto& pieces = stacks[cat(front, place->whole)];
    if (pieces.empty()) {  // to be filled below
      out.emplace_back();
      out.back().name = cat(front, place->whole);
    }
    pieces.emplace_back(std::move(t), *std::move(place));
  }
  for (auto& t : out)
    if (const auto found = stacks.find(t.name); found != stacks.end()) t = put_together(found->first, found->second);
  std::erase_if(out, [](const stored_tensor& t) { return t.bytes.empty() && t.numel(); });
  return out;
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
