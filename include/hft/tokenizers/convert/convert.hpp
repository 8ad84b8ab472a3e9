// A pipeline out of a vocabulary: the stages follow from the kind's row (kinds.hpp) and the folder's configuration.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/tokenizers/convert/generate_merges.hpp>
#include <hft/tokenizers/convert/kinds.hpp>
#include <hft/tokenizers/convert/languages.hpp>
#include <hft/tokenizers/convert/sentencepiece_model.hpp>
#include <hft/tokenizers/convert/stages.hpp>
#include <hft/tokenizers/convert/tiktoken.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/serialization.hpp>
#include <hft/tokenizers/special_tokens.hpp>

namespace hft::detail {

/// The named special tokens that a kind has where no file says otherwise. kinds.hpp writes them "unk=[UNK]
/// mask<=<mask>": a name, "<" for lstrip or "!" for lstrip and normalized, and the token.
inline void set_default_special_tokens(const tokenizer_kind& kind, special_tokens& special) {
  const auto text = kind.special;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size()), equals = text.find('=', at);
    auto name = text.substr(at, equals - at);
    auto token = AddedToken::verbatim(std::string(text.substr(equals + 1, end - equals - 1)));
    at = end + 1;
    if (token.content.empty()) {
      special.set_none(cat(name, "_token"));
      continue;
    }
    if (name.ends_with('<') || name.ends_with('!')) {
      token.lstrip = true;
      token.normalized = name.ends_with('!');
      name.remove_suffix(1);
    }
    special.set_default(cat(name, "_token"), token);
  }
}

/// Turns one folder into a pipeline. `special` comes with what the folder's files say, and leaves with all special
/// tokens.
class tokenizer_converter {
 public:
  tokenizer_converter(const tokenizer_kind& kind, const json& config, std::string where, special_tokens& special)
      : kind_(kind), config_(config), where_(std::move(where)), special_(special) {}

  /// The special tokens are what is known, and these tokens are found in texts, too: the kind's defaults do not count.
  tokenizer_converter& with_tokens(std::vector<AddedToken> tokens) {
    parts_.added_tokens = std::move(tokens);
    has_defaults_ = false;
    return *this;
  }

  /// From vocab.txt (WordPiece).
  tokenizer_components from_wordpiece(Vocabulary vocabulary) {
    set_default_tokens();
    parts_.model = model_ptr(new models::WordPiece(std::move(vocabulary), special_.text("unk_token"), "##", 100));
    return finish();
  }
  /// From vocab.json and merges.txt.
  tokenizer_components from_bpe(Vocabulary vocabulary, pair_table merges) {
    set_default_tokens();
    parts_.model = model_ptr(new models::BPE(std::move(vocabulary), std::move(merges), bpe_options()));
    return finish();
  }
  /// From tokens with scores (Unigram).
  tokenizer_components from_pieces(std::vector<std::pair<std::string, double>> pieces, std::uint32_t unk_id,
                                   std::string charsmap) {
    set_default_tokens();
    parts_.model = model_ptr(new models::Unigram(std::move(pieces), unk_id, false));
    charsmap_ = std::move(charsmap);
    return finish();
  }
  tokenizer_components from_sentencepiece(sentencepiece_model model) {
    if (kind_.decoder == token_join::marks) set_tokens_of(model);
    set_default_tokens();
    add_pieces_of(model);
    const bool unigram =
        kind_.source == vocabulary_source::unigram || (kind_.source == vocabulary_source::sentencepiece &&
                                                       model.model_type == sentencepiece_model::algorithm::unigram);
    if (unigram) {
      make_unigram(model);
    } else {
      make_bpe(model);
    }
    charsmap_ = std::move(model.precompiled_charsmap);
    model_has_bytes_ = model.byte_fallback;
    return finish();
  }
  /// From another tokenizer's model: one of the same vocabulary that is as the kind makes it. A kind of Unigram needs
  /// one of Unigram.
  tokenizer_components from_model(std::shared_ptr<const models::Model> model, std::string charsmap) {
    std::vector<AddedToken> own;
    const auto add = [&](const char* text) { own.push_back(AddedToken::verbatim(text)); };
    if (kind_.extra == extra_tokens::camembert)
      for (const auto text : {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"}) add(text);
    if (kind_.extra == extra_tokens::xlnet)
      for (const auto text : {"<eop>", "<eod>"}) add(text);
    set_class_tokens(std::move(own));
    set_default_tokens();
    parts_.model = remade(std::move(model));
    charsmap_ = std::move(charsmap);
    return finish();
  }
  /// From a tiktoken vocabulary (TikTokenConverter): of the kind only the special tokens and the flags count.
  tokenizer_components from_tiktoken(Vocabulary vocabulary) {
    set_default_tokens();
    const std::size_t size = vocabulary.size();
    auto merges = generate_merges(vocabulary, nullptr, nullptr, false);
    models::BPE::options options;
    options.ignore_merges = true;
    parts_.model = model_ptr(new models::BPE(std::move(vocabulary), std::move(merges), std::move(options)));
    // Ids behind the vocabulary's that the config leaves out are reserved; then come the tokens without an id.
    std::vector<std::string> extra;
    if (const auto& by_id = special_.by_id(); !by_id.empty()) {
      std::uint64_t last = 0;
      for (const auto& n : by_id) last = std::max(last, std::uint64_t(n.id));
      constexpr std::uint64_t most_reserved = 1 << 20;
      if (last >= size + most_reserved)
        throw format_error(where_, "added_tokens_decoder", joined("ids below ", size + most_reserved), joined(last));
      for (std::uint64_t id = size; id <= last; ++id) extra.push_back(cat("<|reserved_token_", id, "|>"));
      for (const auto& n : by_id)
        if (n.id >= size) extra[n.id - size] = n.token.content;
    }
    for (const auto& t : special_.extra())
      if (std::find(extra.begin(), extra.end(), t.content) == extra.end()) extra.push_back(t.content);
    for (auto& t : extra) parts_.added_tokens.push_back(AddedToken::verbatim(std::move(t)));
    is_tiktoken_ = true;
    return finish();
  }

 private:
  using piece = std::pair<std::string, double>;

  void set_default_tokens() {
    if (has_defaults_) set_default_special_tokens(kind_, special_);
  }
  // What a model says of its special tokens, for kinds that ask it.
  void set_tokens_of(const sentencepiece_model& model) {
    const auto set = [&](std::string_view name, std::int32_t id, const std::string& piece) {
      if (id >= 0) special_.set_default(name, AddedToken::verbatim(piece));
    };
    set("bos_token", model.bos_id, model.bos_piece);
    set("eos_token", model.eos_id, model.eos_piece);
    set("unk_token", model.unk_id, model.unk_piece);
  }
  // Control pieces and user-defined ones are found in the text as they are; only the former are special.
  void add_pieces_of(const sentencepiece_model& model) {
    std::vector<AddedToken> pieces;
    using type = sentencepiece_model::piece_type;
    for (const auto& p : model.pieces)
      if (p.type == type::control || p.type == type::user_defined)
        pieces.push_back(AddedToken::verbatim(p.text, p.type == type::control));
    set_class_tokens(std::move(pieces));
  }
  // The further tokens of the kind, made of those of the model.
  void set_class_tokens(std::vector<AddedToken> pieces) {
    const auto add = [&](std::string text) { pieces.push_back(AddedToken::verbatim(std::move(text))); };
    const auto add_languages = [&](std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) add(std::string(fairseq_languages[i]));
    };
    switch (kind_.extra) {
      case extra_tokens::pieces:
      case extra_tokens::camembert:
      case extra_tokens::xlnet:
        break;
      case extra_tokens::mbart: {
        auto own = std::exchange(pieces, {});
        add_languages(mbart_languages);
        for (auto& t : own) pieces.push_back(std::move(t));
        break;
      }
      case extra_tokens::mbart50:
        add_languages(std::size(fairseq_languages));
        break;
      case extra_tokens::pegasus:
        pieces.clear();
        add("<mask_1>");
        for (std::int64_t i = 2; i < count("offset", 103); ++i) add(cat("<unk_", i, ">"));
        break;
      case extra_tokens::t5:
        for (std::int64_t i = 0; i < count("extra_ids", 100); ++i) add(cat("<extra_id_", i, ">"));
        break;
      case extra_tokens::xglm:
        for (int i = 0; i < 7; ++i) add(cat("<madeupword", i, ">"));
        break;
    }
    special_.set_additional(std::move(pieces));
  }
  std::int64_t count(std::string_view key, std::int64_t fallback) const {
    const auto n = hft::get<std::int64_t>(config_, key, fallback, where_);
    if (n < 0 || n > 100000) throw format_error(where_, std::string(key), "a number from 0 to 100000", joined(n));
    return n;
  }

  /// The pieces in the order of the kind's ids.
  std::vector<piece> laid_out(const sentencepiece_model& model) const {
    std::vector<piece> out;
    const auto add = [&](std::string text, double score = 0) { out.emplace_back(std::move(text), score); };
    const auto named = [&](std::string_view name) { add(special_.text(cat(name, "_token"))); };
    const auto add_pieces_from = [&](std::size_t first) {
      for (std::size_t i = first; i < model.pieces.size(); ++i) add(model.pieces[i].text, model.pieces[i].score);
    };
    const auto add_languages = [&](std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) add(std::string(fairseq_languages[i]));
    };
    switch (kind_.layout) {
      case piece_layout::camembert:
        add("<s>NOTUSED");
        named("pad");
        add("</s>NOTUSED");
        named("unk");
        add("<unk>NOTUSED", -100);
        add_pieces_from(1);
        named("mask");
        break;
      case piece_layout::fairseq:
      case piece_layout::mbart:
      case piece_layout::mbart50:
        named(kind_.layout == piece_layout::mbart50 ? "cls" : "bos");
        named("pad");
        named("eos");
        named("unk");
        add_pieces_from(3);
        if (kind_.layout == piece_layout::mbart) add_languages(mbart_languages);
        if (kind_.layout == piece_layout::mbart50) add_languages(std::size(fairseq_languages));
        named("mask");
        break;
      case piece_layout::pegasus:
        named("pad");
        named("eos");
        add("<mask_1>");
        named("mask");
        for (std::int64_t i = 2; i < count("offset", 103); ++i) add(cat("<unk_", i, ">"), -100);
        add_pieces_from(2);
        break;
      case piece_layout::t5:
        add_pieces_from(0);
        for (std::int64_t i = count("extra_ids", 100); i-- > 0;) add(cat("<extra_id_", i, ">"));
        break;
      default:
        add_pieces_from(0);
    }
    return out;
  }

  // `told` is what the sentencepiece model or, for a tokenizer.json, the config says of it.
  std::uint32_t unknown_id_in(const std::vector<piece>& pieces, std::int64_t told, bool of_json) const {
    const auto how = kind_.unknown.how;
    std::int64_t unk = how == unknown_id::model || how == unknown_id::told ? told : kind_.unknown.id;
    if (how != unknown_id::fixed && !(how == unknown_id::told && of_json)) {
      const auto text = special_.text("unk_token");
      const auto at = std::find_if(pieces.begin(), pieces.end(), [&](const piece& p) { return p.first == text; });
      if (at != pieces.end() && kind_.decoder != token_join::marks) unk = at - pieces.begin();
    }
    if (unk < 0 || std::size_t(unk) >= pieces.size())
      throw format_error(where_, "unknown token's id", joined("a number below ", pieces.size()), joined(unk));
    return std::uint32_t(unk);
  }

  void make_unigram(const sentencepiece_model& model) {
    auto pieces = laid_out(model);
    const auto unk = unknown_id_in(pieces, model.unk_id, false);
    const bool bytes = kind_.decoder == token_join::marks && model.byte_fallback;
    parts_.model = model_ptr(new models::Unigram(std::move(pieces), unk, bytes));
  }

  void make_bpe(const sentencepiece_model& model) {
    Vocabulary plain;  // the model's own ids, which the order of merges follows
    std::size_t bytes = 0;
    for (const auto& p : model.pieces) bytes += p.text.size();
    plain.reserve(model.pieces.size(), bytes);
    for (std::size_t i = 0; i < model.pieces.size(); ++i)
      if (plain.insert(model.pieces[i].text, std::uint32_t(i)) != Vocabulary::inserted::yes)
        throw format_error(where_, "piece " + quote_text(model.pieces[i].text), "to appear once");
    finish_vocabulary(plain, where_);

    auto options = bpe_options();
    if (kind_.source == vocabulary_source::sentencepiece) {
      options.unk_token = model.unk_piece;
      options.byte_fallback = model.byte_fallback;
    }
    std::vector<std::string> head;  // tokens that come first
    if (kind_.layout == piece_layout::nllb)
      for (const auto name : {"bos_token", "pad_token", "eos_token", "unk_token"}) head.push_back(special_.text(name));
    if (kind_.layout == piece_layout::seamless) head = {"<pad>", "<unk>", "<s>", "</s>"};
    if (head.empty()) {
      auto merges = generate_merges(plain);
      parts_.model = model_ptr(new models::BPE(std::move(plain), std::move(merges), std::move(options)));
      return;
    }
    Vocabulary vocabulary;
    vocabulary.reserve(model.pieces.size() + head.size(), bytes + 64);
    const bool shifts = kind_.layout == piece_layout::seamless;  // every piece by one, also those of the head
    std::uint32_t next = 0;
    for (const auto& t : head) {
      const auto own = shifts ? plain.find(t) : std::nullopt;
      vocabulary.insert(t, own ? *own + 1 : next);
      ++next;
    }
    plain.for_each([&](std::string_view t, std::uint32_t id) {
      if (vocabulary.insert(t, shifts ? id + 1 : next) == Vocabulary::inserted::yes) ++next;
    });
    finish_vocabulary(vocabulary, where_);
    auto merges = generate_merges(plain, nullptr, &vocabulary);
    parts_.model = model_ptr(new models::BPE(std::move(vocabulary), std::move(merges), std::move(options)));
  }

  models::BPE::options bpe_options() const {
    models::BPE::options o;
    if (kind_.unk_in_model && special_.find("unk_token")) o.unk_token = special_.text("unk_token");
    o.end_of_word_suffix = kind_.word_suffix;
    o.fuse_unk = kind_.fuse_unk;
    o.byte_fallback = kind_.byte_fallback;
    return o;
  }

  // The model itself where it is as the kind makes it: vocabularies are large.
  std::shared_ptr<const models::Model> remade(std::shared_ptr<const models::Model> model) const {
    const auto& vocabulary = model->vocabulary();
    switch (kind_.source) {
      case vocabulary_source::wordpiece: {
        const auto unk = special_.text("unk_token");
        const auto* old = dynamic_cast<const models::WordPiece*>(model.get());
        if (old && old->unk_token() == unk && old->continuing_subword_prefix() == "##" &&
            old->max_input_chars_per_word() == 100)
          return model;
        return std::make_shared<const models::WordPiece>(vocabulary, unk, "##", 100);
      }
      case vocabulary_source::unigram: {
        const auto& old = dynamic_cast<const models::Unigram&>(*model);
        std::vector<piece> pieces;
        for (std::size_t id = 0; id < vocabulary.id_limit(); ++id)
          pieces.emplace_back(vocabulary.token(id), old.score(std::uint32_t(id)));
        const auto unk =
            unknown_id_in(pieces, hft::get<std::int64_t>(config_, "unk_id", kind_.unknown.id, where_), true);
        if (old.unk_id() == unk && !old.byte_fallback()) return model;
        return std::make_shared<const models::Unigram>(std::move(pieces), unk, false);
      }
      default: {
        auto options = bpe_options();
        const auto* old = dynamic_cast<const models::BPE*>(model.get());
        if (!old) return std::make_shared<const models::BPE>(vocabulary, pair_table(), std::move(options));
        const auto as_told = [](const models::BPE::options& o) {
          return std::tie(o.unk_token, o.continuing_subword_prefix, o.end_of_word_suffix, o.fuse_unk, o.byte_fallback,
                          o.ignore_merges, o.dropout);
        };
        if (as_told(old->config()) == as_told(options)) return model;
        return std::make_shared<const models::BPE>(vocabulary, old->merges(), std::move(options));
      }
    }
  }

  tokenizer_components finish() {
    const stage_options options{&config_, where_, charsmap_, model_has_bytes_};
    special_.add_to(parts_.added_tokens);
    AddedVocabulary added;
    added.add_tokens(parts_.added_tokens, *parts_.model, nullptr, where_);
    const auto id_of = [&](const std::string& token) { return added.token_to_id(token, *parts_.model); };
    const std::string stages =
        is_tiktoken_
            ? cat(R"({"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)",
                  json_text(tiktoken_pattern), R"(},"behavior":"Isolated","invert":false},)",
                  R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},)",
                  R"("decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})")
            : cat(R"({"normalizer":)", normalizer_json(kind_, options), R"(,"pre_tokenizer":)",
                  pre_tokenizer_json(kind_, options), R"(,"decoder":)", decoder_json(kind_, options));
    const auto text = cat(stages, R"(,"post_processor":)", post_processor_json(options, id_of), "}");
    const auto document = large_json::parse(text, where_);
    const json_node root(document.root(), where_);
    if (const auto n = root.find("normalizer")) parts_.normalizer = read_normalizer(*n);
    if (const auto n = root.find("pre_tokenizer")) parts_.pre_tokenizer = read_pre_tokenizer(*n);
    if (const auto n = root.find("post_processor")) parts_.post_processor = read_post_processor(*n);
    if (const auto n = root.find("decoder")) parts_.decoder = read_decoder(*n);
    return std::move(parts_);
  }

  template <class IdOf>
  std::string post_processor_json(const stage_options& o, const IdOf& id_of) const {
    const auto with_unknown = [&](const std::string& token) {
      auto id = id_of(token);
      return id ? id : id_of(special_.text("unk_token"));
    };
    const auto pair_of = [&](std::string_view name) {
      const auto token = special_.text(name);
      const auto id = with_unknown(token);
      if (!id) throw format_error(where_, std::string(name), "a token of the vocabulary", quote_text(token));
      return cat("[", json_text(token), ",", *id, "]");
    };
    const template_token resolve = [&](std::string_view word) -> std::optional<std::pair<std::string, std::uint32_t>> {
      std::string token;
      if (word.starts_with("lang=")) {
        token = source_language(word.substr(5));
      } else if (word.starts_with('\'')) {
        token = word.substr(1, word.size() - 2);
      } else {
        token = special_.text(cat(word, "_token"));
      }
      if (token.empty()) return {};
      const auto id = with_unknown(token);
      if (!id) throw format_error(where_, joined("special token ", quote_text(token)), "a token of the vocabulary");
      return std::pair{token, std::uint32_t(*id)};
    };
    const bool has_flags =
        find_member(config_, "add_bos_token", where_) || find_member(config_, "add_eos_token", where_);
    if (is_tiktoken_ && !has_flags)
      return R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true})";
    const bool from_flags = is_tiktoken_ ? true
                            : kind_.single.empty()
                                ? kind_.around == frame::bos_eos || (kind_.around == frame::byte_level && has_flags)
                                : kind_.flags_replace_template && has_flags;
    if (from_flags)
      return bos_eos_template_json(o.flag("add_bos_token", kind_.add_bos && !is_tiktoken_),
                                   o.flag("add_eos_token", false), resolve);
    if (!kind_.single.empty()) {
      // Nllb put the language last once.
      if (kind_.layout == piece_layout::nllb && o.flag("legacy_behaviour", false))
        return template_json("A eos lang=eng_Latn", "A B eos lang=eng_Latn", resolve);
      if (has_word(kind_.names, "Splinter") &&
          hft::get<std::string>(config_, "padding_side", "right", where_) == "left")
        return template_json("cls A sep", "cls A sep B:1 question '.' sep:1", resolve);
      return template_json(kind_.single, kind_.pair, resolve);
    }
    switch (kind_.around) {
      case frame::roberta: {
        const bool clip = kind_.pre_tokenizer == word_split::clip;  // <|startoftext|> A <|endoftext|>
        return cat(R"({"type":"RobertaProcessing","sep":)", pair_of(clip ? "eos_token" : "sep_token"), R"(,"cls":)",
                   pair_of(clip ? "bos_token" : "cls_token"), R"(,"trim_offsets":)",
                   !clip && (!has_word(kind_.names, "Roberta") || o.flag("trim_offsets", true)),
                   R"(,"add_prefix_space":)",
                   kind_.source == vocabulary_source::bpe_files && !clip && adds_prefix_space(kind_, o), "}");
      }
      case frame::bert:
        return cat(R"({"type":"BertProcessing","sep":[)", json_text(special_.text("sep_token")), R"(,2],"cls":[)",
                   json_text(special_.text("cls_token")), ",0]}");
      case frame::byte_level:
        return R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true})";
      case frame::whisper:
        return whisper_json(o, resolve, id_of);
      default:
        return "null";
    }
  }

  // The start, the language, the task, and whether there are time stamps; what the vocabulary lacks is unknown.
  template <class IdOf>
  std::string whisper_json(const stage_options& o, const template_token& resolve, const IdOf& id_of) const {
    const auto known = [&](std::string token) { return id_of(token) ? cat("'", token, "' ") : std::string("unk "); };
    auto before = known("<|startoftranscript|>");
    if (const auto language = get_optional<std::string>(config_, "language", where_))
      before += known(cat("<|", *language, "|>"));
    if (const auto task = get_optional<std::string>(config_, "task", where_)) before += known(cat("<|", *task, "|>"));
    if (!o.flag("predict_timestamps", false)) before += known("<|notimestamps|>");
    return template_json(before + "A eos", before + "A B:1 eos:1", resolve);
  }

  // SeamlessM4T's codes stand between underscores, and one that is unknown is unknown by its text, too.
  std::string source_language(std::string_view fallback) const {
    auto code = hft::get<std::string>(config_, "src_lang", std::string(fallback), where_);
    if (kind_.layout != piece_layout::seamless) return code;
    if (code.find("__") == code.npos) code = cat("__", code, "__");
    const auto known = [&] {
      if (parts_.model->vocabulary().find(code)) return true;
      return std::any_of(parts_.added_tokens.begin(), parts_.added_tokens.end(),
                         [&](const AddedToken& t) { return t.content == code; });
    };
    return known() ? code : special_.text("unk_token");
  }

  const tokenizer_kind& kind_;
  const json& config_;
  std::string where_;
  special_tokens& special_;
  tokenizer_components parts_;
  std::string charsmap_;
  bool model_has_bytes_ = false, has_defaults_ = true, is_tiktoken_ = false;
};

}  // namespace hft::detail
