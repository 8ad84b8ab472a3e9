// Which tokenizer a model_type of config.json has in Transformers 5.23, and which tokenizer it takes where
// tokenizer_config.json names one as well.
#pragma once
#include <string>
#include <string_view>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/convert/kinds.hpp>

namespace hft::detail {

struct model_types_of {
  std::string_view name, model_types;  // the class without "Tokenizer"
};

inline constexpr model_types_of tokenizer_model_types[] = {
    {"Albert", "albert yoso"},
    {"Bart", "florence2"},
    {"Barthez", "barthez"},
    {"Bert",
     "align bark bert blip bros chinese_clip convbert distilbert electra ernie flava git "
     "grounding-dino layoutlm megatron-bert mm-grounding-dino nezha nomic_bert qdqbert realm "
     "retribert squeezebert tvp vilt visual_bert"},
    {"BigBird", "big_bird"},
    {"Blenderbot", "blenderbot"},
    {"CLIP", "aimv2 clip clipseg groupvit omdet-turbo oneformer owlv2 owlvit sam3 sam3_video xclip"},
    {"Camembert", "camembert"},
    {"CodeLlama", "code_llama"},
    {"Cohere", "aya_vision cohere cohere2"},
    {"DPRQuestionEncoder", "dpr"},
    {"Deberta", "deberta"},
    {"DebertaV2", "deberta-v2"},
    {"FNet", "fnet"},
    {"Funnel", "funnel"},
    {"GPT2",
     "blip-2 codegen dbrx emu3 gpt2 gpt_neo gptj hyperclovax_vision_v2 instructblip instructblipvideo "
     "jais2 opt phi starcoder2"},
    {"GPTNeoX", "falcon_mamba gpt_neox mamba mamba2 mpt olmo olmoe rwkv xlstm"},
    {"Gemma",
     "diffusion_gemma gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma "
     "shieldgemma2 t5gemma zaya"},
    {"Herbert", "herbert"},
    {"LED", "led"},
    {"LayoutLMv2", "layoutlmv2"},
    {"LayoutLMv3", "layoutlmv3"},
    {"LayoutXLM", "layoutxlm"},
    {"Llama", "idefics idefics2"},
    {"Lxmert", "lxmert"},
    {"MBart", "mbart"},
    {"MBart50", "mbart50"},
    {"MPNet", "mpnet"},
    {"MarkupLM", "markuplm"},
    {"MobileBert", "mobilebert"},
    {"Mvp", "mvp"},
    {"Nllb", "nllb nllb-moe"},
    {"OpenAIGPT", "openai-gpt"},
    {"Pegasus", "pegasus"},
    {"Qwen2",
     "audioflamingo3 colqwen2 cosmos3_omni dots3_note fun_asr_nano hunyuan_vl internvl lighton_ocr "
     "moss_transcribe_diarize ovis2 qianfan_ocr qwen2 qwen2_5_omni qwen2_5_vl qwen2_audio qwen2_moe "
     "qwen2_vl qwen3 qwen3_asr qwen3_moe qwen3_next qwen3_omni_moe qwen3_vl qwen3_vl_moe vibevoice"},
    {"Qwen3_5", "qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen4_exp"},
    {"Reformer", "reformer"},
    {"RemBert", "rembert"},
    {"Roberta", "bart bridgetower clap data2vec-text ibert lilt longformer mega mra roberta roberta-prelayernorm"},
    {"SeamlessM4T", "seamless_m4t seamless_m4t_v2"},
    {"Splinter", "splinter"},
    {"T5", "mt5 musicgen musicgen_melody switch_transformers t5"},
    {"Udop", "udop"},
    {"VideoPrism", "videoprism"},
    {"Whisper", "whisper"},
    {"XGLM", "xglm"},
    {"XLMRoberta", "gte jina_embeddings_v3 metaclip_2 trocr xlm-roberta xmod"},
    {"XLNet", "xlnet"},
};

/// Classes that are Python code, not a pipeline; RoFormer's cuts words with jieba.
inline constexpr std::string_view python_tokenizers =
    "Bartpho BertGeneration BertJapanese Bertweet BioGpt BlenderbotSmall ByT5 CTRL Canine Clvp Cpm "
    "CpmAnt Dia Esm Esmc FSMT Flaubert GPTNeoXJapanese GPTSw3 Lasr Luke M2M100 MLuke Marian Mgpstr "
    "MyT5 Nougat PLBart Parakeet Perceiver Phobert ProphetNet Rag RoCBert RoFormer Siglip Siglip2 "
    "Speech2Text SpeechT5 Tapas Tipsv2 Vits Wav2Vec2CTC Wav2Vec2PhonemeCTC XLM";
inline constexpr model_types_of python_model_types[] = {
    {"Bartpho", "bartpho"},
    {"BertGeneration", "bert-generation"},
    {"BertJapanese", "bert-japanese"},
    {"Bertweet", "bertweet"},
    {"BioGpt", "biogpt"},
    {"BlenderbotSmall", "blenderbot-small"},
    {"ByT5", "byt5"},
    {"CTRL", "ctrl"},
    {"Canine", "canine"},
    {"Clvp", "clvp"},
    {"Cpm", "cpm"},
    {"CpmAnt", "cpmant"},
    {"Dia", "dia"},
    {"Esm", "esm"},
    {"Esmc", "esmc esmfold2"},
    {"FSMT", "fsmt"},
    {"Flaubert", "flaubert"},
    {"GPTNeoXJapanese", "gpt_neox_japanese"},
    {"GPTSw3", "gpt-sw3"},
    {"Lasr", "lasr_ctc lasr_encoder"},
    {"Luke", "luke"},
    {"M2M100", "m2m_100"},
    {"MLuke", "mluke"},
    {"Marian", "marian"},
    {"Mgpstr", "mgp-str"},
    {"MyT5", "myt5"},
    {"Nougat", "nougat pp_formulanet"},
    {"PLBart", "plbart"},
    {"Parakeet",
     "granite_speech5_ctc nemotron3_5_asr nemotron_asr_streaming omniasr_ctc parakeet_ctc parakeet_rnnt parakeet_tdt"},
    {"Perceiver", "perceiver"},
    {"Phobert", "phobert"},
    {"ProphetNet", "prophetnet"},
    {"Rag", "rag"},
    {"RoCBert", "roc_bert"},
    {"RoFormer", "roformer"},
    {"Siglip", "siglip"},
    {"Siglip2", "siglip2"},
    {"Speech2Text", "speech_to_text"},
    {"SpeechT5", "speecht5"},
    {"Tapas", "tapas"},
    {"Tipsv2", "tipsv2"},
    {"Vits", "vits"},
    {"Wav2Vec2CTC", "data2vec-audio hubert unispeech unispeech-sat wav2vec2 wav2vec2-bert wav2vec2-conformer"},
    {"Wav2Vec2PhonemeCTC", "wav2vec2_phoneme"},
    {"XLM", "xlm"},
};

/// Model types that have the generic tokenizer, whatever class their files name.
inline constexpr std::string_view generic_model_types =
    "EvollaModel aria beam bigbird_pegasus canary flex_olmo glm glm4 glm4_moe glm4_moe_lite glm4v "
    "glm4v_moe glm_image glmasr got_ocr2 gpt_bigcode gradium_phonon_tts granite granitemoe "
    "granitemoehybrid granitemoeshared kimi_k25 kimi_linear kosmos-2 mimo_v2_flash minicpm_ocr "
    "minicpmv4_6 minicpmv4_7 ministral ministral3 mistral mistral3 mistral_large4 mixtral "
    "nemo_speechlm nystromformer olmo2 olmo3 olmo_hybrid pegasus_x persimmon pix2struct pixtral "
    "pocket_tts stablelm umt5 voxtral voxtral_realtime xlm-roberta-xl minicpmv ernie4_5_moe molmo2 "
    "llava_next step3_vl omniasr cohere_asr phi3_v hyperclovax phimoe ernie4_5 opencua openvla "
    "hyperclovax_vlm camembertv2-base iquestcoder arctic modernbert molmo modernbert-decoder "
    "internlm2 minimax_m2 minicpm3 phi3 llava nvfp4 nemotron paddleocr_vl vipllava jamba internlm3 "
    "fuyu h2ovl_chat chatlm smolvlm";
/// Model types whose own class wins over the one in their files.
inline constexpr std::string_view misnamed_model_types =
    "hyperclovax_vision_v2 qwen2 qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen4_exp siglip2";

/// The class, without "Tokenizer", for the one that tokenizer_config.json names and the model type; either may be
/// empty. Empty for the generic tokenizer.
inline std::string_view choose_tokenizer_class(std::string_view class_name, std::string_view model_type) {
  if (class_name.ends_with("Fast")) class_name.remove_suffix(4);
  if (has_word(generic_model_types, model_type) && !model_type.empty()) return {};
  std::string_view own;  // the model type's class
  if (!model_type.empty()) {
    for (const auto& row : tokenizer_model_types)
      if (has_word(row.model_types, model_type)) own = row.name;
    for (const auto& row : python_model_types)
      if (has_word(row.model_types, model_type)) own = row.name;
  }
  if (class_name.empty() || (!own.empty() && has_word(misnamed_model_types, model_type))) return own;
  return class_name.ends_with("Tokenizer") ? class_name.substr(0, class_name.size() - 9) : std::string_view();
}

/// The kind for that class; null for a class of Transformers that is Python code.
inline const tokenizer_kind* find_tokenizer_kind(std::string_view class_name, std::string_view model_type) {
  const auto chosen = choose_tokenizer_class(class_name, model_type);
  if (chosen.empty()) return &generic_tokenizer_kind;
  for (const auto& kind : tokenizer_kinds)
    if (has_word(kind.names, chosen)) return &kind;
  return has_word(python_tokenizers, chosen) ? nullptr : &generic_tokenizer_kind;
}

/// The same; throws unsupported_error for a class that is Python code.
inline const tokenizer_kind& choose_tokenizer_kind(std::string_view class_name, std::string_view model_type,
                                                   const std::string& where) {
  if (const auto* kind = find_tokenizer_kind(class_name, model_type)) return *kind;
  throw unsupported_error(
      where,
      "tokenizer class " + quote_text(choose_tokenizer_class(class_name, model_type)) + " without a tokenizer.json",
      "a class that this version converts");
}

}  // namespace hft::detail
