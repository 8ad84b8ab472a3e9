// SentencePieceTokenizer: the sentencepiece library itself over a tokenizer.model, as the slow tokenizers of
// Transformers use it. AutoTokenizer converts such files into the pipeline, which is many times faster; this one is
// what the conversion is tested against, and serves models whose rules no conversion has. Opt-in header: needs
// sentencepiece (link -lsentencepiece).
#pragma once
#include <sentencepiece_processor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/io/utf8.hpp>

namespace hft {

/// A tokenizer.model. Ids are the model's own, without the offsets that some Transformers classes put between. Copies
/// share the model; a const object is used from any number of threads at once.
class SentencePieceTokenizer {
 public:
  /// Throws file_error where the file cannot be read, format_error where sentencepiece refuses it.
  static SentencePieceTokenizer from_file(const std::filesystem::path& path) {
    const auto file = mapped_file::open(path);
    const std::string_view text = file->text();
    detail::refuse_web_page(text, path.string());
    auto model = std::make_shared<sentencepiece::SentencePieceProcessor>();
    const auto status = model->LoadFromSerializedProto(absl::string_view(text.data(), text.size()));
    if (!status.ok()) throw format_error(path.string(), "", "a sentencepiece model", status.ToString());
    return SentencePieceTokenizer(std::move(model));
  }

  /// Ids of a text, without special tokens. Throws value_error for text that is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text) const {
    if (!detail::valid_utf8(text)) throw value_error("SentencePieceTokenizer", "text", "UTF-8", "other bytes");
    std::vector<int> ids;
    model_->Encode(absl::string_view(text.data(), text.size()), &ids).IgnoreError();
    return {ids.begin(), ids.end()};
  }
  /// Throws value_error for an id that the model does not have.
  std::string decode(const std::vector<std::int32_t>& ids) const {
    for (const auto id : ids) check(id);
    std::string text;
    model_->Decode(std::vector<int>(ids.begin(), ids.end()), &text).IgnoreError();
    return text;
  }

  std::int32_t size() const { return model_->GetPieceSize(); }
  /// The piece of an id; throws value_error for one that the model does not have.
  std::string id_to_piece(std::int32_t id) const {
    check(id);
    return model_->IdToPiece(id);
  }
  /// The id of a piece, the unknown one's where there is none.
  std::int32_t piece_to_id(std::string_view piece) const {
    return model_->PieceToId(absl::string_view(piece.data(), piece.size()));
  }
  /// Nothing where the model has no such piece.
  std::optional<std::int32_t> unk_id() const { return id(model_->unk_id()); }
  std::optional<std::int32_t> bos_id() const { return id(model_->bos_id()); }
  std::optional<std::int32_t> eos_id() const { return id(model_->eos_id()); }
  std::optional<std::int32_t> pad_id() const { return id(model_->pad_id()); }

 private:
  explicit SentencePieceTokenizer(std::shared_ptr<const sentencepiece::SentencePieceProcessor> model)
      : model_(std::move(model)) {}
  static std::optional<std::int32_t> id(int n) { return n < 0 ? std::nullopt : std::optional<std::int32_t>(n); }
  void check(std::int32_t id) const {
    if (id < 0 || id >= size())
      throw value_error("SentencePieceTokenizer", "token id", detail::joined("0 to ", size() - 1), detail::joined(id));
  }

  std::shared_ptr<const sentencepiece::SentencePieceProcessor> model_;
};

}  // namespace hft
