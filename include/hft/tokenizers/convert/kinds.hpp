// The kinds of tokenizers that Transformers builds out of vocabulary files, as a table: which class reads which files
// and what it makes of them. A row is data; convert.hpp turns a row and a vocabulary into a pipeline, that of a folder
// without tokenizer.json (folder.hpp) or of one with it (rebuild.hpp).
#pragma once
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

namespace hft::detail {

/// Where the model comes from.
enum class vocabulary_source {
  wordpiece,          // vocab.txt
  bpe_files,          // vocab.json and merges.txt
  unigram,            // a sentencepiece model's pieces and scores
  sentencepiece_bpe,  // a sentencepiece model's pieces, and the merges they imply
  sentencepiece,      // one of the two, as the sentencepiece model says
};

/// Steps of normalizers. A step of which a comment says "if" is left out otherwise.
enum class text_step : unsigned char {
  none,
  bert,                  // BertNormalizer with the config's flags
  bert_clean_flag,       // the same, of which clean_text is one
  bert_uncased,          // the same, but for do_lower_case
  bert_cased,            // BertNormalizer that keeps case and accents
  bert_lower,            // BertNormalizer as it is by default
  quotes,                // `` and '' to "
  accents,               // NFKD, StripAccents; if not keep_accents
  always_accents,        // the same whatever keep_accents says
  lowercase,             // if do_lower_case
  charsmap,              // Precompiled, if the sentencepiece model has one
  charsmap_or_newlines,  // Precompiled, or else \n to a space
  charsmap_join_spaces,  // Precompiled and join_spaces, if the sentencepiece model has a map
  join_spaces,           // two or more spaces to one
  mark_spaces,           // two or more spaces to U+2581
  blanks,                // \s{2,} and line breaks and tabs to a space
  nfc,
  strip_right,
  space_to_mark,  // " " to U+2581
  seamless,       // SeamlessM4T's own chain
  clip,           // NFC, \s+ to a space, Lowercase
};

enum class word_split {
  bert,
  byte_level,
  metaspace,        // prepended always, or never as add_prefix_space says
  words_metaspace,  // WhitespaceSplit before it
  first_metaspace,  // prepended to the first word only
  deberta,          // Punctuation if split_by_punct, then Metaspace
  llama,            // Metaspace without splitting; legacy says whether it is prepended everywhere
  code_llama,       // the same, whatever legacy says
  gemma,            // Split at spaces
  qwen2,
  qwen3_5,
  clip,
  digits_byte_level,  // each digit alone
  none,
};

enum class token_join {
  wordpiece,
  wordpiece_prefix,  // with the config's wordpieces_prefix
  byte_level,
  metaspace,
  deberta,  // as its pre-tokenizer
  first_metaspace,
  word_suffix,  // </w>
  bytes,        // U+2581 to a space, ByteFallback, Fuse
  llama,        // the same, and without the space that was prepended
  code_llama,   // the same, whatever add_prefix_space says
  marks,        // U+2581 to a space; ByteFallback and Fuse if the sentencepiece model has bytes
};

/// What is put around sequences, where it is no template.
enum class frame { bos_eos, roberta, bert, byte_level, whisper };

/// Pieces before and after those of a sentencepiece model, as fairseq's and Google's models have them.
enum class piece_layout { as_is, camembert, fairseq, mbart, mbart50, nllb, seamless, pegasus, t5 };

/// Further special tokens of a kind. Those of camembert and xlnet count where no sentencepiece model has its own.
enum class extra_tokens { pieces, camembert, xlnet, mbart, mbart50, pegasus, t5, xglm };

/// What becomes of the post-processor of a tokenizer.json: it stays where the class makes none of its own, or always,
/// as the class makes its own before; or never.
enum class file_frame { unless_own, stays, goes };

/// Which id is the unknown token's in a Unigram model.
struct unknown_id {
  // `id`; where unk_token is and, where it is no piece, what the sentencepiece model or the config says, or `id`. Of
  // `told` the config alone counts, where the pieces come from a tokenizer.json.
  enum rule { fixed, told, model, find } how = fixed;
  int id = 0;
};

/// Whether a space is put before a text: as the config says, or else yes or no; or yes whatever it says.
enum class prefix_space { no, yes, always };

struct tokenizer_kind {
  /// The classes of Transformers, separated by spaces; "Tokenizer" is left out of each name.
  std::string_view names;
  vocabulary_source source;
  /// The file of vocabulary_source, where it is a sentencepiece model.
  std::string_view file = {};
  /// The named special tokens that the class has by default: "unk=[UNK] ...". A "<" after the name: lstrip; "!":
  /// lstrip and normalized. No token: there is none by default, whatever a tokenizer.json pads with.
  std::string_view special;
  std::array<text_step, 6> normalizer = {};
  word_split pre_tokenizer;
  token_join decoder;
  /// Templates for one input and for pairs, "cls A sep" and "cls A sep B:1 sep:1": special tokens by their names, a
  /// type id where it is not 0. Empty: `around` says it.
  std::string_view single = {}, pair = {};
  frame around = frame::bos_eos;
  /// Whether add_bos_token and add_eos_token in a config replace `single` and `pair`.
  bool flags_replace_template = false;
  bool add_bos = false;  // where the config does not say
  prefix_space add_prefix_space = prefix_space::no;
  bool fuse_unk = false, byte_fallback = false, unk_in_model = false;  // of BPE
  std::string_view word_suffix = {};                                   // of BPE
  piece_layout layout = piece_layout::as_is;
  unknown_id unknown = {};
  extra_tokens extra = extra_tokens::pieces;
  bool lowercases = false, keeps_accents = false;  // where the config does not say
  bool pads_left = false;
  int max_length = 0;  // model_max_length where the config does not say; 0: none
  file_frame of_file = file_frame::unless_own;
  bool keeps_pipeline = false;  // of a tokenizer.json, but for the post-processor: the class has no __init__

  constexpr bool keeps_frame() const {
    const bool own = !single.empty() || around != frame::bos_eos;
    return of_file == file_frame::unless_own ? !own : of_file == file_frame::stays;
  }
};

inline constexpr std::string_view bert_tokens = "unk=[UNK] sep=[SEP] pad=[PAD] cls=[CLS] mask=[MASK]";
inline constexpr std::string_view roberta_tokens = "bos=<s> eos=</s> unk=<unk> sep=</s> pad=<pad> cls=<s> mask=<mask>";
inline constexpr std::string_view fairseq_tokens = "bos=<s> eos=</s> unk=<unk> sep=</s> pad=<pad> cls=<s> mask<=<mask>";
inline constexpr std::string_view albert_tokens =
    "bos=[CLS] eos=[SEP] unk=<unk> sep=[SEP] pad=<pad> cls=[CLS] mask=[MASK]";
inline constexpr std::string_view llama_tokens = "bos=<s> eos=</s> unk=<unk>";

inline constexpr std::string_view bert_pair = "cls A sep B:1 sep:1";

/// Transformers 5.23; the last row is what it does with a class it does not know.
inline constexpr tokenizer_kind tokenizer_kinds[] = {
    // vocab.txt
    {.names = "Bert DistilBert Electra LayoutLM Lxmert "
              "MobileBert SqueezeBert",
     .source = vocabulary_source::wordpiece,
     .special = bert_tokens,
     .normalizer = {text_step::bert},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece,
     .single = "cls A sep",
     .pair = bert_pair,
     .lowercases = true},
    {.names = "DPRReader DPRQuestionEncoder DPRContextEncoder",
     .source = vocabulary_source::wordpiece,
     .special = bert_tokens,
     .normalizer = {text_step::bert_uncased},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece,
     .single = "cls A sep",
     .pair = bert_pair},
    {.names = "ConvBert",
     .source = vocabulary_source::wordpiece,
     .special = bert_tokens,
     .normalizer = {text_step::bert},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece,
     .single = "cls A sep",
     .pair = bert_pair,
     .lowercases = true,
     .keeps_pipeline = true},
    {.names = "LayoutLMv2",
     .source = vocabulary_source::wordpiece,
     .special = bert_tokens,
     .normalizer = {text_step::bert},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece,
     .single = "cls A sep",
     .pair = bert_pair,
     .lowercases = true,
     .max_length = 512},
    {.names = "Splinter",
     .source = vocabulary_source::wordpiece,
     .special = "unk=[UNK] sep=[SEP] pad=[PAD] cls=[CLS] mask=[MASK] question=[QUESTION]",
     .normalizer = {text_step::bert},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece,
     .single = "cls A sep",
     .pair = "cls A question '.' sep B:1 sep:1",
     .lowercases = true},
    {.names = "Funnel",
     .source = vocabulary_source::wordpiece,
     .special = "bos=<s> eos=</s> unk=<unk> sep=<sep> pad=<pad> cls=<cls> mask=<mask>",
     .normalizer = {text_step::bert_clean_flag},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece_prefix,
     .single = "cls:2 A sep",
     .pair = "cls:2 A sep B:1 sep:1",
     .lowercases = true},
    {.names = "MPNet",
     .source = vocabulary_source::wordpiece,
     .special = "bos=<s> eos=</s> unk=[UNK] sep=</s> pad=<pad> cls=<s> mask<=<mask>",
     .normalizer = {text_step::bert},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::wordpiece,
     .around = frame::roberta,
     .lowercases = true},

    // vocab.json and merges.txt
    {.names = "Roberta Bart Longformer LED Mvp",
     .source = vocabulary_source::bpe_files,
     .special = roberta_tokens,
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .around = frame::roberta},
    {.names = "LayoutLMv3",
     .source = vocabulary_source::bpe_files,
     .special = roberta_tokens,
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .around = frame::roberta,
     .add_prefix_space = prefix_space::yes},
    {.names = "MarkupLM",
     .source = vocabulary_source::bpe_files,
     .special = fairseq_tokens,
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .single = "cls A sep",
     .pair = "cls A sep B sep"},
    {.names = "Blenderbot",
     .source = vocabulary_source::bpe_files,
     .special = fairseq_tokens,
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .add_prefix_space = prefix_space::yes},
    {.names = "GPT2",
     .source = vocabulary_source::bpe_files,
     .special = "bos=<|endoftext|> eos=<|endoftext|> unk=<|endoftext|> pad=",
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level},
    {.names = "GPTNeoX",
     .source = vocabulary_source::bpe_files,
     .special = "bos=<|endoftext|> eos=<|endoftext|> unk=<|endoftext|> pad=<|padding|>",
     .normalizer = {text_step::nfc},
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .of_file = file_frame::goes},
    {.names = "Cohere",
     .source = vocabulary_source::bpe_files,
     .special = "bos=<BOS_TOKEN> eos=<|END_OF_TURN_TOKEN|> unk=<UNK> sep=<SEP> pad=<PAD> cls=<CLS> mask=<MASK_TOKEN>",
     .normalizer = {text_step::nfc},
     .pre_tokenizer = word_split::digits_byte_level,
     .decoder = token_join::byte_level,
     .pads_left = true},
    {.names = "CodeGen",
     .source = vocabulary_source::bpe_files,
     .special = "bos=<|endoftext|> eos=<|endoftext|> unk=<|endoftext|> pad=",
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .around = frame::byte_level,
     .of_file = file_frame::stays},
    {.names = "Qwen2",
     .source = vocabulary_source::bpe_files,
     .special = "eos=<|endoftext|> unk=<|endoftext|> pad=<|endoftext|>",
     .normalizer = {text_step::nfc},
     .pre_tokenizer = word_split::qwen2,
     .decoder = token_join::byte_level},
    {.names = "Qwen3_5",
     .source = vocabulary_source::bpe_files,
     .special = "eos=<|endoftext|> unk=<|endoftext|> pad=<|endoftext|>",
     .normalizer = {text_step::nfc},
     .pre_tokenizer = word_split::qwen3_5,
     .decoder = token_join::byte_level},
    {.names = "Whisper",
     .source = vocabulary_source::bpe_files,
     .special = "bos=<|endoftext|> eos=<|endoftext|> unk=<|endoftext|>",
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .around = frame::whisper},
    {.names = "CLIP",
     .source = vocabulary_source::bpe_files,
     .special = "bos=<|startoftext|> eos=<|endoftext|> unk=<|endoftext|> pad=<|endoftext|>",
     .normalizer = {text_step::clip},
     .pre_tokenizer = word_split::clip,
     .decoder = token_join::byte_level,
     .around = frame::roberta,
     .unk_in_model = true,
     .word_suffix = "</w>"},
    {.names = "Deberta",
     .source = vocabulary_source::bpe_files,
     .special = "bos=[CLS] eos=[SEP] unk=[UNK] sep=[SEP] pad=[PAD] cls=[CLS] mask=[MASK]",
     .pre_tokenizer = word_split::byte_level,
     .decoder = token_join::byte_level,
     .single = "cls A sep",
     .pair = "cls A sep sep B sep"},
    {.names = "Herbert",
     .source = vocabulary_source::bpe_files,
     .special = "unk=<unk> sep=</s> pad=<pad> cls=<s> mask=<mask>",
     .normalizer = {text_step::bert_cased},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::word_suffix,
     .around = frame::bert,
     .unk_in_model = true,
     .word_suffix = "</w>"},
    {.names = "OpenAIGPT",
     .source = vocabulary_source::bpe_files,
     .special = "unk=<unk>",
     .normalizer = {text_step::bert_lower},
     .pre_tokenizer = word_split::bert,
     .decoder = token_join::word_suffix,
     .unk_in_model = true,
     .word_suffix = "</w>"},

    // sentencepiece, Unigram
    {.names = "Albert",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = albert_tokens,
     .normalizer = {text_step::quotes, text_step::accents, text_step::lowercase, text_step::charsmap},
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "cls A sep",
     .pair = bert_pair,
     .flags_replace_template = true,
     .add_prefix_space = prefix_space::yes,
     .unknown = {unknown_id::fixed, 1},
     .lowercases = true,
     .of_file = file_frame::stays},
    {.names = "FNet",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = albert_tokens,
     .normalizer = {text_step::charsmap, text_step::space_to_mark},
     .pre_tokenizer = word_split::none,
     .decoder = token_join::marks,
     .unknown = {unknown_id::model},
     .keeps_pipeline = true},
    {.names = "RemBert",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.model",
     .special = albert_tokens,
     .normalizer = {text_step::quotes, text_step::join_spaces, text_step::accents, text_step::lowercase,
                    text_step::charsmap},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .add_prefix_space = prefix_space::yes,
     .unknown = {unknown_id::fixed, 2},
     .keeps_accents = true},
    {.names = "BigBird",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = "bos=<s> eos=</s> unk=<unk> sep=[SEP] pad=<pad> cls=[CLS] mask<=[MASK]",
     .normalizer = {text_step::mark_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .single = "cls A sep",
     .pair = bert_pair,
     .add_prefix_space = prefix_space::yes,
     .unknown = {unknown_id::find, 100}},
    {.names = "DebertaV2",
     .source = vocabulary_source::unigram,
     .file = "spm.model",
     .special = "bos=[CLS] eos=[SEP] unk=[UNK] sep=[SEP] pad=[PAD] cls=[CLS] mask=[MASK]",
     .normalizer = {text_step::lowercase, text_step::blanks, text_step::nfc, text_step::strip_right},
     .pre_tokenizer = word_split::deberta,
     .decoder = token_join::deberta,
     .single = "cls A sep",
     .pair = bert_pair,
     .add_prefix_space = prefix_space::yes,
     .unknown = {unknown_id::model}},
    {.names = "XLNet",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = "bos=<s> eos=</s> unk=<unk> sep=<sep> pad=<pad> cls=<cls> mask<=<mask>",
     .normalizer = {text_step::quotes, text_step::always_accents, text_step::lowercase, text_step::charsmap},
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "A sep cls:2",
     .pair = "A sep B:1 sep:1 cls:2",
     .add_prefix_space = prefix_space::always,
     .unknown = {unknown_id::told},
     .extra = extra_tokens::xlnet,
     .pads_left = true},
    {.names = "XLMRoberta",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = roberta_tokens,
     .normalizer = {text_step::charsmap},
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "bos A eos",
     .pair = "bos A eos eos B eos",
     .add_prefix_space = prefix_space::yes,
     .layout = piece_layout::fairseq,
     .unknown = {unknown_id::fixed, 3}},
    {.names = "LayoutXLM",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = fairseq_tokens,
     .normalizer = {text_step::strip_right, text_step::mark_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .single = "cls A sep",
     .pair = "cls A sep sep B sep",
     .add_prefix_space = prefix_space::yes,
     .layout = piece_layout::fairseq,
     .unknown = {unknown_id::fixed, 3}},
    {.names = "Camembert",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = fairseq_tokens,
     .normalizer = {text_step::charsmap},
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "bos A eos",
     .pair = "bos A eos eos B eos",
     .add_prefix_space = prefix_space::yes,
     .layout = piece_layout::camembert,
     .unknown = {unknown_id::find, 0},
     .extra = extra_tokens::camembert},
    {.names = "Barthez",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = fairseq_tokens,
     .normalizer = {text_step::blanks, text_step::nfc, text_step::strip_right},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .add_prefix_space = prefix_space::yes,
     .unknown = {unknown_id::fixed, 3}},
    {.names = "MBart",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = fairseq_tokens,
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "A eos lang=en_XX",
     .pair = "A B eos lang=en_XX",
     .add_prefix_space = prefix_space::always,
     .layout = piece_layout::mbart,
     .unknown = {unknown_id::fixed, 3},
     .extra = extra_tokens::mbart},
    {.names = "MBart50",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = "eos=</s> unk=<unk> sep=</s> pad=<pad> cls=<s> mask<=<mask>",
     .normalizer = {text_step::charsmap, text_step::join_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .single = "lang=en_XX A eos",
     .pair = "lang=en_XX A B eos",
     .add_prefix_space = prefix_space::always,
     .layout = piece_layout::mbart50,
     .unknown = {unknown_id::fixed, 3},
     .extra = extra_tokens::mbart50},
    {.names = "XGLM",
     .source = vocabulary_source::unigram,
     .file = "sentencepiece.bpe.model",
     .special = "bos=<s> eos=</s> unk=<unk> sep=</s> pad=<pad> cls=<s>",
     .normalizer = {text_step::charsmap, text_step::join_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .single = "eos A",
     .pair = "eos A eos eos B",
     .add_prefix_space = prefix_space::yes,
     .unknown = {unknown_id::fixed, 3},
     .extra = extra_tokens::xglm},
    {.names = "Pegasus",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = "eos=</s> unk=<unk> pad=<pad> mask=<mask_2>",
     .normalizer = {text_step::charsmap_or_newlines, text_step::join_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .single = "A eos",
     .pair = "A B eos",
     .add_prefix_space = prefix_space::always,
     .layout = piece_layout::pegasus,
     .unknown = {unknown_id::find, 0},
     .extra = extra_tokens::pegasus},
    {.names = "T5",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = "eos=</s> unk=<unk> pad=<pad>",
     .normalizer = {text_step::charsmap},
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "A eos",
     .pair = "A eos B eos",
     .add_prefix_space = prefix_space::always,
     .layout = piece_layout::t5,
     .unknown = {unknown_id::fixed, 2},
     .extra = extra_tokens::t5},
    {.names = "VideoPrism",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = "eos=</s> unk=<unk> pad=<pad>",
     .normalizer = {text_step::charsmap},
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .add_prefix_space = prefix_space::always,
     .layout = piece_layout::t5,
     .unknown = {unknown_id::fixed, 2},
     .extra = extra_tokens::t5},
    {.names = "Udop",
     .source = vocabulary_source::unigram,
     .file = "spiece.model",
     .special = "eos=</s> unk=<unk> sep=</s> pad=<pad>",
     .pre_tokenizer = word_split::words_metaspace,
     .decoder = token_join::metaspace,
     .single = "A eos",
     .pair = "A eos B eos",
     .add_prefix_space = prefix_space::always,
     .unknown = {unknown_id::find, 2}},

    // sentencepiece, BPE
    {.names = "Nllb",
     .source = vocabulary_source::sentencepiece_bpe,
     .file = "sentencepiece.bpe.model",
     .special = "bos=<s> eos=</s> unk=<unk> sep=</s> pad=<pad> cls=<s> mask!=<mask>",
     .normalizer = {text_step::charsmap_join_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .single = "lang=eng_Latn A eos",
     .pair = "lang=eng_Latn A B eos",
     .add_prefix_space = prefix_space::always,
     .fuse_unk = true,
     .unk_in_model = true,
     .layout = piece_layout::nllb},
    {.names = "SeamlessM4T",
     .source = vocabulary_source::sentencepiece_bpe,
     .file = "sentencepiece.bpe.model",
     .special = "bos=<s> eos=</s> unk=<unk> sep=</s> pad=<pad> cls=<s>",
     .normalizer = {text_step::seamless},
     .pre_tokenizer = word_split::first_metaspace,
     .decoder = token_join::first_metaspace,
     .single = "lang=__eng__ A eos",
     .pair = "lang=__eng__ A B eos",
     .fuse_unk = true,
     .unk_in_model = true,
     .layout = piece_layout::seamless},
    {.names = "Reformer",
     .source = vocabulary_source::sentencepiece_bpe,
     .file = "spiece.model",
     .special = "eos=</s> unk=<unk>",
     .normalizer = {text_step::charsmap_join_spaces},
     .pre_tokenizer = word_split::metaspace,
     .decoder = token_join::metaspace,
     .add_prefix_space = prefix_space::always,
     .fuse_unk = true,
     .unk_in_model = true},
    {.names = "Llama Phi3",
     .source = vocabulary_source::sentencepiece_bpe,
     .file = "tokenizer.model",
     .special = llama_tokens,
     .pre_tokenizer = word_split::llama,
     .decoder = token_join::llama,
     .add_prefix_space = prefix_space::yes,
     .fuse_unk = true,
     .byte_fallback = true,
     .pads_left = true},
    {.names = "CodeLlama",
     .source = vocabulary_source::sentencepiece_bpe,
     .file = "tokenizer.model",
     .special = "bos=<s> eos=</s> unk=<unk> prefix=\xe2\x96\x81<PRE> middle=\xe2\x96\x81<MID> "
                "suffix=\xe2\x96\x81<SUF> eot=\xe2\x96\x81<EOT> fill=<FILL_ME>",
     .pre_tokenizer = word_split::code_llama,
     .decoder = token_join::code_llama,
     .add_bos = true,
     .add_prefix_space = prefix_space::yes,
     .fuse_unk = true,
     .byte_fallback = true,
     .unk_in_model = true,
     .pads_left = true,
     .of_file = file_frame::goes},
    {.names = "Gemma",
     .source = vocabulary_source::sentencepiece_bpe,
     .file = "tokenizer.model",
     .special = "bos=<bos> eos=<eos> unk=<unk> pad=<pad> mask=<mask>",
     .normalizer = {text_step::space_to_mark},
     .pre_tokenizer = word_split::gemma,
     .decoder = token_join::bytes,
     .fuse_unk = true,
     .byte_fallback = true,
     .unk_in_model = true,
     .pads_left = true},

    // any other class
    {.names = "TokenizersBackend",
     .source = vocabulary_source::sentencepiece,
     .file = "tokenizer.model",
     .special = "",
     .normalizer = {text_step::charsmap, text_step::space_to_mark},
     .pre_tokenizer = word_split::none,
     .decoder = token_join::marks,
     .fuse_unk = true,
     .unk_in_model = true,
     .unknown = {unknown_id::model}},
};

/// The first of a kind's classes.
inline std::string class_name(const tokenizer_kind& kind) {
  const auto name = kind.names.substr(0, kind.names.find(' '));
  return name == "TokenizersBackend" ? std::string(name) : std::string(name) + "Tokenizer";
}

/// Whether `list`, words separated by spaces, has `word`.
constexpr bool has_word(std::string_view list, std::string_view word) {
  for (std::size_t at = 0; (at = list.find(word, at)) != list.npos; ++at) {
    const bool starts = at == 0 || list[at - 1] == ' ';
    const std::size_t end = at + word.size();
    if (starts && (end == list.size() || list[end] == ' ')) return true;
  }
  return false;
}

inline constexpr const tokenizer_kind& generic_tokenizer_kind = tokenizer_kinds[std::size(tokenizer_kinds) - 1];

/// The kind of a class, "BertTokenizer" or "BertTokenizerFast"; null where there is no such class here.
constexpr const tokenizer_kind* find_tokenizer_kind(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  if (!name.ends_with("Tokenizer") || name.size() == 9 || name.find(' ') != name.npos) return nullptr;
  name.remove_suffix(9);
  for (const auto& kind : tokenizer_kinds)
    if (has_word(kind.names, name)) return &kind;
  return nullptr;
}

}  // namespace hft::detail
