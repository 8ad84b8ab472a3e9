// The file of a sentencepiece model (tokenizer.model, spiece.model, ...): a ModelProto in protobuf's wire format, of
// which only the fields that a tokenizer needs are kept. Field numbers are those of sentencepiece_model.proto.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/io/utf8.hpp>

namespace hft::detail {

/// A message in protobuf's wire format, read field by field. Throws format_error where a length or a varint runs out
/// of the bytes there are.
class protobuf_reader {
 public:
  protobuf_reader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  /// Goes to the next field; false at the end of the message.
  bool next() {
    if (rest_.empty()) return false;
    const auto key = varint();
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff) broken("a field number", cat(key >> 3));
    field_ = std::uint32_t(key >> 3);
    bytes_ = {};
    value_ = 0;
    switch (key & 7) {
      case 0:
        value_ = varint();
        break;
      case 1:
        value_ = little_endian(8);
        break;
      case 2: {
        const auto n = varint();
        if (n > rest_.size()) broken(cat("at most ", rest_.size(), " bytes"), cat(n));
        bytes_ = take(std::size_t(n));
        break;
      }
      case 5:
        value_ = little_endian(4);
        break;
      default:
        broken("wire type 0, 1, 2 or 5", cat(key & 7));
    }
    wire_type_ = unsigned(key & 7);
    return true;
  }

  std::uint32_t field() const noexcept { return field_; }
  std::string_view bytes() const { return expect(2), bytes_; }
  std::string text() const {
    expect(2);
    if (!valid_utf8(bytes_)) broken("UTF-8", quote_text(bytes_));
    return std::string(bytes_);
  }
  std::int32_t int32() const { return expect(0), std::int32_t(std::uint32_t(value_)); }
  bool boolean() const { return expect(0), value_ != 0; }
  float float32() const { return expect(5), std::bit_cast<float>(std::uint32_t(value_)); }

 private:
  [[noreturn]] void broken(std::string_view expected, std::string_view got) const {
    throw format_error(where_, joined("protobuf field ", field_), expected, got);
  }
  void expect(unsigned wire_type) const {
    if (wire_type != wire_type_) broken(cat("wire type ", wire_type), cat(wire_type_));
  }
  std::string_view take(std::size_t n) {
    const auto out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::uint64_t little_endian(std::size_t n) {
    if (n > rest_.size()) broken(cat(n, " bytes"), cat(rest_.size()));
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < n; ++i) out |= std::uint64_t(static_cast<unsigned char>(rest_[i])) << 8 * i;
    rest_.remove_prefix(n);
    return out;
  }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(rest_[i]);
      out |= std::uint64_t(byte & 0x7f) << 7 * i;
      if (byte < 0x80) return rest_.remove_prefix(i + 1), out;
    }
    broken("a varint", "one that does not end");
  }

  std::string_view rest_, bytes_;
  const std::string& where_;
  std::uint32_t field_ = 0;
  std::uint64_t value_ = 0;
  unsigned wire_type_ = 0;
};

/// What a sentencepiece model says of itself.
struct sentencepiece_model {
  enum class algorithm { unigram = 1, bpe = 2, word = 3, character = 4 };
  enum class piece_type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct piece {
    std::string text;
    float score = 0;
    piece_type type = piece_type::normal;
  };

  std::vector<piece> pieces;  // in the order of their ids
  algorithm model_type = algorithm::unigram;
  bool byte_fallback = false;
  std::int32_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>";

  std::string precompiled_charsmap;  // of the normalizer; not text
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;

  /// Throws format_error where `bytes` is no such model; `where` names the file.
  static sentencepiece_model parse(std::string_view bytes, const std::string& where) {
    refuse_web_page(bytes, where);
    sentencepiece_model out;
    for (protobuf_reader r(bytes, where); r.next();) {
      if (r.field() == 1) out.pieces.push_back(read_piece(r.bytes(), where));
      if (r.field() == 2) out.read_trainer(r.bytes(), where);
      if (r.field() == 3) out.read_normalizer(r.bytes(), where);
    }
    if (out.pieces.empty()) throw format_error(where, "sentencepiece model", "pieces", "none");
    return out;
  }

 private:
  static piece read_piece(std::string_view bytes, const std::string& where) {
    piece out;
    for (protobuf_reader r(bytes, where); r.next();) {
      if (r.field() == 1) out.text = r.text();
      if (r.field() == 2) out.score = r.float32();
      if (r.field() == 3) out.type = piece_type(r.int32());
    }
    if (!(out.score - out.score == 0)) throw format_error(where, "score of " + quote_text(out.text), "a finite number");
    return out;
  }
  void read_trainer(std::string_view bytes, const std::string& where) {
    for (protobuf_reader r(bytes, where); r.next();) switch (r.field()) {
        case 3:
          model_type = algorithm(r.int32());
          break;
        case 35:
          byte_fallback = r.boolean();
          break;
        case 40:
          unk_id = r.int32();
          break;
        case 41:
          bos_id = r.int32();
          break;
        case 42:
          eos_id = r.int32();
          break;
        case 43:
          pad_id = r.int32();
          break;
        case 45:
          unk_piece = r.text();
          break;
        case 46:
          bos_piece = r.text();
          break;
        case 47:
          eos_piece = r.text();
          break;
        case 48:
          pad_piece = r.text();
          break;
        default:
          break;
      }
  }
  void read_normalizer(std::string_view bytes, const std::string& where) {
    for (protobuf_reader r(bytes, where); r.next();) {
      if (r.field() == 2) precompiled_charsmap = r.bytes();
      if (r.field() == 3) add_dummy_prefix = r.boolean();
      if (r.field() == 4) remove_extra_whitespaces = r.boolean();
      if (r.field() == 5) escape_whitespaces = r.boolean();
    }
  }
};

}  // namespace hft::detail
