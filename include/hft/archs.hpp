// Lists of architectures: what Auto classes choose from, and default_archs, all that hft has.
//
// An architecture is a tag type:
//   struct llama {
//     static constexpr const char* model_type = "llama";  // in config.json; GGUF's, where it is another:
//     static constexpr const char* gguf_architecture = "llama";
//     template <class W, class D>
//     using base_model = LlamaModel<W, D>;  // of a checkpoint that names no class; where it has one
//     template <class W, class D>
//     using models = type_list<LlamaForCausalLM<W, D>, LlamaModel<W, D>>;  // all its classes
//   };
// Those of hft stand beside their classes, written shorter (models/architecture.hpp).
#pragma once
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <hft/layers/lora.hpp>
#include <hft/models/albert.hpp>
#include <hft/models/apertus.hpp>
#include <hft/models/arcee.hpp>
#include <hft/models/bart.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/big_bird.hpp>
#include <hft/models/biogpt.hpp>
#include <hft/models/bitnet.hpp>
#include <hft/models/blenderbot.hpp>
#include <hft/models/blenderbot_small.hpp>
#include <hft/models/bloom.hpp>
#include <hft/models/codegen.hpp>
#include <hft/models/cohere.hpp>
#include <hft/models/cohere2.hpp>
#include <hft/models/convbert.hpp>
#include <hft/models/data2vec_text.hpp>
#include <hft/models/deberta.hpp>
#include <hft/models/deberta_v2.hpp>
#include <hft/models/deepseek_v2.hpp>
#include <hft/models/deepseek_v3.hpp>
#include <hft/models/distilbert.hpp>
#include <hft/models/electra.hpp>
#include <hft/models/encoder_decoder.hpp>
#include <hft/models/ernie.hpp>
#include <hft/models/ernie4_5.hpp>
#include <hft/models/ernie4_5_moe.hpp>
#include <hft/models/esm.hpp>
#include <hft/models/eurobert.hpp>
#include <hft/models/exaone4.hpp>
#include <hft/models/falcon.hpp>
#include <hft/models/falcon_mamba.hpp>
#include <hft/models/fnet.hpp>
#include <hft/models/funnel.hpp>
#include <hft/models/gemma.hpp>
#include <hft/models/gemma2.hpp>
#include <hft/models/gemma3.hpp>
#include <hft/models/glm.hpp>
#include <hft/models/glm4.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/gpt_bigcode.hpp>
#include <hft/models/gpt_neo.hpp>
#include <hft/models/gpt_neox.hpp>
#include <hft/models/gpt_oss.hpp>
#include <hft/models/gptj.hpp>
#include <hft/models/granite.hpp>
#include <hft/models/granitemoe.hpp>
#include <hft/models/gte.hpp>
#include <hft/models/helium.hpp>
#include <hft/models/hunyuan_v1_dense.hpp>
#include <hft/models/jamba.hpp>
#include <hft/models/jina_embeddings_v3.hpp>
#include <hft/models/led.hpp>
#include <hft/models/lfm2.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/llama4_text.hpp>
#include <hft/models/longformer.hpp>
#include <hft/models/longt5.hpp>
#include <hft/models/luke.hpp>
#include <hft/models/m2m_100.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/mamba2.hpp>
#include <hft/models/marian.hpp>
#include <hft/models/mbart.hpp>
#include <hft/models/minimax.hpp>
#include <hft/models/mistral.hpp>
#include <hft/models/mixtral.hpp>
#include <hft/models/mobilebert.hpp>
#include <hft/models/modernbert.hpp>
#include <hft/models/mpnet.hpp>
#include <hft/models/mpt.hpp>
#include <hft/models/mt5.hpp>
#include <hft/models/nemotron.hpp>
#include <hft/models/nomic_bert.hpp>
#include <hft/models/olmo.hpp>
#include <hft/models/olmo2.hpp>
#include <hft/models/olmo3.hpp>
#include <hft/models/olmoe.hpp>
#include <hft/models/opt.hpp>
#include <hft/models/pegasus.hpp>
#include <hft/models/phi.hpp>
#include <hft/models/phi3.hpp>
#include <hft/models/prophetnet.hpp>
#include <hft/models/qwen2.hpp>
#include <hft/models/qwen2_moe.hpp>
#include <hft/models/qwen3.hpp>
#include <hft/models/qwen3_5.hpp>
#include <hft/models/qwen3_5_moe.hpp>
#include <hft/models/qwen3_moe.hpp>
#include <hft/models/qwen3_next.hpp>
#include <hft/models/recurrent_gemma.hpp>
#include <hft/models/roberta.hpp>
#include <hft/models/roformer.hpp>
#include <hft/models/rwkv.hpp>
#include <hft/models/seed_oss.hpp>
#include <hft/models/smollm3.hpp>
#include <hft/models/squeezebert.hpp>
#include <hft/models/stablelm.hpp>
#include <hft/models/starcoder2.hpp>
#include <hft/models/switch_transformers.hpp>
#include <hft/models/t5.hpp>
#include <hft/models/umt5.hpp>
#include <hft/models/vit.hpp>
#include <hft/models/xglm.hpp>
#include <hft/models/xlnet.hpp>
#include <hft/type_list.hpp>

namespace hft {

/// A list of architectures, tried in order.
template <class... Archs>
struct archs {};

namespace detail {

/// What GGUF files call an architecture.
template <class Arch>
constexpr std::string_view gguf_architecture_of() {
  if constexpr (requires { Arch::gguf_architecture; })
    return Arch::gguf_architecture;
  else
    return Arch::model_type;
}
/// What else they call it, where they hold one class of it.
template <class Arch>
constexpr std::span<const std::pair<std::string_view, std::string_view>> gguf_classes_of() {
  if constexpr (requires { Arch::gguf_classes; })
    return Arch::gguf_classes;
  else
    return {};
}
/// What tells its files from those of others with that name, or null.
template <class Arch>
constexpr auto gguf_told_of() -> bool (*)(const gguf_file&) {
  if constexpr (requires { Arch::gguf_told; })
    return Arch::gguf_told;
  else
    return nullptr;
}

/// The config of an architecture: of one without a name for it, that of its first class.
template <class Arch>
struct config_of_arch {
  template <class First, class... Rest>
  static std::type_identity<typename First::config_type> first(type_list<First, Rest...>);
  using type = typename decltype(first(typename Arch::template models<f32, cpu>()))::type;
};
template <class Arch>
requires requires { typename Arch::config_type; }
struct config_of_arch<Arch> {
  using type = typename Arch::config_type;
};

// A model's class with another layer kind.
template <class B, class L>
struct build_of_kind;
template <class W, class D, class Old, class S, class L>
struct build_of_kind<build<W, D, Old, S>, L> {
  using type = build<W, D, L, S>;
};
template <class Model, class L>
struct model_of_kind {
  using type = typename Model::template on_build<typename build_of_kind<typename Model::build_type, L>::type>;
};
template <class... Models, class L>
struct model_of_kind<type_list<Models...>, L> {
  using type = type_list<typename model_of_kind<Models, L>::type...>;
};

// Not every architecture has these.
template <class Arch, class W, class D>
struct lora_base_model {};
template <class Arch, class W, class D>
requires requires { typename Arch::template base_model<W, D>; }
struct lora_base_model<Arch, W, D> : model_of_kind<typename Arch::template base_model<W, D>, with_lora> {};

}  // namespace detail

/// An architecture whose classes take adapters.
template <class Arch>
struct with_adapters {
  using config_type = typename detail::config_of_arch<Arch>::type;
  static constexpr const char* model_type = Arch::model_type;
  static constexpr std::string_view gguf_architecture = detail::gguf_architecture_of<Arch>();
  static constexpr std::span<const std::pair<std::string_view, std::string_view>> gguf_classes =
      detail::gguf_classes_of<Arch>();
  static constexpr bool (*gguf_told)(const gguf_file&) = detail::gguf_told_of<Arch>();
  template <class W, class D>
  using base_model = typename detail::lora_base_model<Arch, W, D>::type;
  template <class W, class D>
  using models = typename detail::model_of_kind<typename Arch::template models<W, D>, with_lora>::type;
};

namespace detail {

template <class Archs>
struct archs_with_lora;
template <class... Archs>
struct archs_with_lora<archs<Archs...>> {
  using type = archs<with_adapters<Archs>...>;
};

template <class... Lists>
struct joined_archs;
template <class... Archs>
struct joined_archs<archs<Archs...>> {
  using type = archs<Archs...>;
};
template <class... A, class... B, class... Rest>
struct joined_archs<archs<A...>, archs<B...>, Rest...> : joined_archs<archs<A..., B...>, Rest...> {};

}  // namespace detail

/// Lists one behind the other.
template <class... Lists>
using joined_lists = typename detail::joined_archs<Lists...>::type;

/// A list of architectures whose classes take adapters.
template <class Archs>
using archs_with_adapters = typename detail::archs_with_lora<Archs>::type;

using decoder_archs =
    archs<llama, mistral, qwen2, qwen3, apertus, arcee, biogpt, bitnet, bloom, codegen, cohere, cohere2, deepseek_v2,
          deepseek_v3, ernie4_5, ernie4_5_moe, exaone4, falcon, falcon_mamba, gemma, gemma2, gemma3_text, glm, glm4,
          gpt2, gpt_bigcode, gpt_neo, gpt_neox, gpt_oss, gptj, granite, granitemoe, helium, hunyuan_v1_dense, jamba,
          lfm2, llama4_text, mamba, mamba2, minimax, mixtral, mpt, nemotron, olmo, olmo2, olmo3, olmoe, opt, phi, phi3,
          qwen2_moe, qwen3_5_moe_text, qwen3_5_text, qwen3_moe, qwen3_next, recurrent_gemma, rwkv, seed_oss, smollm3,
          stablelm, starcoder2, xglm>;
using encoder_archs =
    archs<bert, roberta, xlm_roberta, camembert, distilbert, albert, big_bird, convbert, data2vec_text, deberta,
          deberta_v2, electra, ernie, esm, eurobert, fnet, funnel, gte, jina_embeddings_v3, longformer, luke,
          mobilebert, modernbert, mpnet, nomic_bert, roformer, squeezebert, xlnet>;
using encoder_decoder_archs = archs<t5, mt5, umt5, switch_transformers, longt5, bart, mbart, blenderbot,
                                    blenderbot_small, led, m2m_100, marian, pegasus, prophetnet, encoder_decoder>;
using image_archs = archs<vit>;

/// All of hft's, which take adapters, as all of Transformers' do.
using default_archs =
    archs_with_adapters<joined_lists<decoder_archs, encoder_archs, encoder_decoder_archs, image_archs>>;

}  // namespace hft
