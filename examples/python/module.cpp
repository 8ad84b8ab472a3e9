// hft for Python: causal language models of any architecture, their tokenizers and their training. Tensors come and go
// by DLPack, without a copy. README.md shows it. While a model computes, other threads run Python.
#include "python.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/auto_peft.hpp>
#include <hft/generation/generate.hpp>
#include <hft/log.hpp>
#include <hft/parallel.hpp>
#include <hft/tokenizers/apply_chat_template.hpp>
#include <hft/tokenizers/pretrained.hpp>
#include <hft/train/clip.hpp>
#include <hft/train/optimizers/make_optimizer.hpp>

#include "../hft/train_models.hpp"

using namespace hft;
using namespace python;

namespace {

// ---- Tensor: what the module gives; dense

using tensor_class = class_of<dlpack::any_tensor>;

template <class T, std::size_t Rank>
object tensor(const Tensor<T, Rank>& t) {
  return tensor_class::wrap(dlpack::any_tensor(t.dense()));
}

object tensor_dlpack(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
  PyObject *stream = Py_None, *max_version = Py_None, *device = Py_None, *copy = Py_None;
  parse(args, kwargs, "|$OOOO:__dlpack__", names, &stream, &max_version, &device, &copy);
  int device_type = dlpack::kDLCPU, device_id = 0;
  if (stream != Py_None || (device != Py_None && !PyArg_ParseTuple(device, "ii", &device_type, &device_id)) ||
      device_type != dlpack::kDLCPU)
    raise(PyExc_BufferError, "__dlpack__: the tensor is on the cpu, which has no streams");
  dlpack::any_tensor t = tensor_class::in(self);
  if (copy == Py_True) {
    const isize bytes = count(t.shape) * info(t.dtype).bytes;
    const buffer memory = cpu::allocate(std::size_t(bytes));
    if (bytes) std::memcpy(memory.data(), t.data, std::size_t(bytes));
    t = dlpack::any_tensor(t.dtype, memory.data(), t.shape, memory);
  }
  int major = 0, minor = 0;
  if (max_version != Py_None && !PyArg_ParseTuple(max_version, "ii", &major, &minor)) throw raised();
  if (major > 0) {
    auto* managed = to_dlpack(std::move(t));
    if (copy == Py_True) managed->flags |= dlpack::flag_is_copied;
    return capsule(managed);
  }
  if (t.read_only) raise(PyExc_BufferError, "__dlpack__: a read-only tensor needs max_version=(1, 0)");
  return capsule(to_dlpack_unversioned(std::move(t)));
}
object tensor_device(PyObject*, PyObject*, PyObject*) { return object(Py_BuildValue("(ii)", int(dlpack::kDLCPU), 0)); }
object tensor_dtype(PyObject* self, PyObject*, PyObject*) { return text(name(tensor_class::in(self).dtype)); }
object tensor_shape(PyObject* self, PyObject*, PyObject*) {
  const auto& shape = tensor_class::in(self).shape;
  object out(PyTuple_New(Py_ssize_t(shape.size())));
  for (std::size_t d = 0; d < shape.size(); ++d)
    check(PyTuple_SetItem(out.get(), Py_ssize_t(d), object(PyLong_FromLongLong(shape[d])).release()));
  return out;
}

object nested_list(const dlpack::any_tensor& t, std::size_t d, isize offset) {
  if (d == t.shape.size()) {
    const auto* at = static_cast<const std::byte*>(t.data) + offset * info(t.dtype).bytes;
    if (t.dtype == dtype_id::i64) return object(PyLong_FromLongLong(*reinterpret_cast<const i64*>(at)));
    if (t.dtype == dtype_id::f32) return object(PyFloat_FromDouble(f64(*reinterpret_cast<const f32*>(at))));
    throw unsupported_error("tolist", "dtype", "f32 or i64; numpy.from_dlpack reads others", name(t.dtype));
  }
  object out(PyList_New(0));
  for (isize i = 0; i < t.shape[d]; ++i)
    check(PyList_Append(out.get(), nested_list(t, d + 1, offset + i * t.strides[d]).get()));
  return out;
}
object tensor_tolist(PyObject* self, PyObject*, PyObject*) { return nested_list(tensor_class::in(self), 0, 0); }

// ---- arguments

template <std::size_t Rank, class T>
Tensor<i64, Rank> widened(const Tensor<T, Rank>& narrow) {
  Tensor<i64, Rank> wide(narrow.shape());
  std::copy_n(narrow.data(), narrow.size(), wide.data());
  return wide;
}
/// Token ids, masks or labels: i64 as they are, i32 and bool widened.
template <std::size_t Rank, class Managed>
Tensor<i64, Rank> integers(Managed* managed) {
  const auto dtype = dlpack::dtype_of(managed->dl_tensor.dtype);
  if (dtype == dtype_id::i32) return widened(from_dlpack<i32, Rank>(managed));
  if (dtype == dtype_id::boolean) return widened(from_dlpack<bool, Rank>(managed));
  return from_dlpack<i64, Rank>(managed);
}
/// The same of a list of integers, or of rows of them, too.
template <std::size_t Rank>
Tensor<i64, Rank> integers_of(PyObject* from, const char* argument) {
  if (!PyList_Check(from)) return with_tensor_of(from, argument, [](auto* managed) { return integers<Rank>(managed); });
  const json list = to_json(from, argument);
  if constexpr (Rank == 1)
    return Tensor<i64, 1>::from(json_as<std::vector<i64>>(list, argument, ""), {isize(list.size())});
  else
    return ids_tensor(json_as<std::vector<std::vector<i64>>>(list, argument, ""));
}
Tensor<i64, 2> ids_or_none(PyObject* from, const char* argument) {
  return from == Py_None ? Tensor<i64, 2>() : integers_of<2>(from, argument);
}

/// An argument that is given by keyword alone, taken out of them; None where it is not given.
object taken_out(const object& keywords, const char* argument) {
  PyObject* found = PyDict_GetItemString(keywords.get(), argument);
  if (!found) return object::none();
  object out = object::borrowed(found);
  check(PyDict_DelItemString(keywords.get(), argument));
  return out;
}
/// A copy of keywords, of which arguments are taken.
object keywords_of(PyObject* kwargs) { return object(kwargs ? PyDict_Copy(kwargs) : PyDict_New()); }
f64 number_or(const object& given, f64 fallback) {
  if (given.get() == Py_None) return fallback;
  const f64 x = PyFloat_AsDouble(given.get());
  return PyErr_Occurred() ? throw raised() : x;
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& w : warnings) check(PyErr_WarnEx(PyExc_UserWarning, w.c_str(), 1));
}

// ---- AutoTokenizer

using tokenizer_class = class_of<PreTrainedTokenizerFast>;

object tokenizer_from_pretrained(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"id_or_path", nullptr};
  const char* path = nullptr;
  parse(args, kwargs, "s:from_pretrained", names, &path);
  return tokenizer_class::wrap(unlocked([&] { return AutoTokenizer::from_pretrained(path); }));
}
object tokenizer_encode(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"text", "add_special_tokens", nullptr};
  PyObject* given = nullptr;
  int special = 1;
  parse(args, kwargs, "U|p:encode", names, &given, &special);
  const std::string text = text_of(given);
  object out(PyList_New(0));
  for (const i64 id : unlocked([&] { return tokenizer_class::in(self).encode(text, special); }))
    check(PyList_Append(out.get(), object(PyLong_FromLongLong(id)).get()));
  return out;
}
object tokenizer_decode(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"ids", "skip_special_tokens", nullptr};
  PyObject* given = nullptr;
  int skip = 0;
  parse(args, kwargs, "O|p:decode", names, &given, &skip);
  const auto ids = integers_of<1>(given, "ids");
  return text(unlocked([&] { return tokenizer_class::in(self).decode(ids, skip); }));
}
object tokenizer_apply_chat_template(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"messages", "add_generation_prompt", nullptr};
  PyObject* given = nullptr;
  int prompt = 0;
  parse(args, kwargs, "O|p:apply_chat_template", names, &given, &prompt);
  const json messages = to_json(given, "messages");
  ChatTemplateOptions options;
  options.add_generation_prompt = prompt;
  return text(unlocked([&] { return apply_chat_template(tokenizer_class::in(self), messages, options); }));
}

// ---- AutoModelForCausalLM

using model_class = class_of<AnyModel<>>;

object model_from_pretrained(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"id_or_path", "dtype", nullptr};
  const char *path = nullptr, *dtype = nullptr;
  parse(args, kwargs, "s|z:from_pretrained", names, &path, &dtype);
  LoadOptions options;
  if (dtype && !(options.dtype = dtype_from_name(dtype)))
    throw value_error("from_pretrained", "dtype", "f32, bf16, f16 or a block format such as q8_0", dtype);
  return model_class::wrap(unlocked([&] { return AutoModelForCausalLM<>::from_pretrained(path, options); }));
}
object model_load_adapter(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"folder", nullptr};
  const char* folder = nullptr;
  parse(args, kwargs, "s:load_adapter", names, &folder);
  warn(unlocked([&] { return load_adapter(model_class::in(self), folder); }));
  return object::none();
}
object model_forward(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"input_ids", "attention_mask", nullptr};
  PyObject *ids = nullptr, *mask = Py_None;
  parse(args, kwargs, "O|O:forward", names, &ids, &mask);
  const auto input_ids = integers_of<2>(ids, "input_ids");
  ForwardArgs<> options;
  options.attention_mask = ids_or_none(mask, "attention_mask");
  return tensor(unlocked([&] { return model_class::in(self)(input_ids, options).logits; }));
}
object model_generate(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* ids = nullptr;
  if (!PyArg_ParseTuple(args, "O:generate", &ids)) throw raised();
  const object settings = keywords_of(kwargs), mask = taken_out(settings, "attention_mask"),
               tokenizer = taken_out(settings, "tokenizer");
  const json fields = to_json(settings.get(), "generate");
  GenerationConfig::check_names(fields, "generate");
  GenerationConfig config;
  config.update(fields, "generate");
  const auto input_ids = integers_of<2>(ids, "input_ids");
  GenerateOptions options;
  options.attention_mask = ids_or_none(mask.get(), "attention_mask");
  if (tokenizer.get() != Py_None && !PyObject_TypeCheck(tokenizer.get(), tokenizer_class::type()))
    raise(PyExc_TypeError, "tokenizer: expected one of hft.AutoTokenizer.from_pretrained");
  options.decode = [&](std::span<const i64> tokens) {
    if (tokenizer.get() == Py_None) throw value_error("generate", "stop_strings", "a tokenizer beside them", "none");
    return tokenizer_class::in(tokenizer.get()).decode(tokens);
  };
  using clock = std::chrono::steady_clock;
  options.progress = [asked = clock::now()](isize, isize) mutable {    // Ctrl-C ends it
    if (clock::now() - asked < std::chrono::milliseconds(50)) return;  // the lock may be with a thread that keeps it
    asked = clock::now();
    const locked inside;
    check(PyErr_CheckSignals());
  };
  return tensor(unlocked([&] { return generate(model_class::in(self), input_ids, config, options); }));
}
object model_named_parameters(PyObject* self, PyObject*, PyObject*) {
  object out(PyDict_New());
  for_each_parameter(model_class::in(self), [&](const std::string& name, parameter& p) {
    dlpack::any_tensor t(p.format(), p.data(), {p.shape().begin(), p.shape().end()}, p.memory());
    t.read_only = true;  // products may have it in another order already
    if (dlpack::data_type_of(p.format()))
      check(PyDict_SetItemString(out.get(), name.c_str(), tensor_class::wrap(std::move(t)).get()));
  });
  return out;
}
object model_save_pretrained(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"folder", nullptr};
  const char* folder = nullptr;
  parse(args, kwargs, "s:save_pretrained", names, &folder);
  unlocked([&] { model_class::in(self).save_pretrained(folder); });
  return object::none();
}
object model_config(PyObject* self, PyObject*, PyObject*) { return from_json(model_class::in(self).config().fields); }

// ---- TrainingModel: the class that a checkpoint names, with an optimizer

struct trainee {
  tool::trained_model model;
  std::unique_ptr<Optimizer> optimizer;
  std::uint64_t steps = 0;
};
using trainee_class = class_of<trainee>;

object trainee_from_pretrained(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"id_or_path", "lora", "optim", "weight_decay", "seed", nullptr};
  const char *path = nullptr, *optim = "adamw_torch";
  PyObject* lora = Py_None;
  f64 weight_decay = 0;
  unsigned long long seed = 42;
  parse(args, kwargs, "s|OsdK:from_pretrained", names, &path, &lora, &optim, &weight_decay, &seed);
  std::optional<LoraConfig> adapter;
  if (lora != Py_None) {
    json fields = to_json(lora, "lora");
    if (fields.is_object()) fields["peft_type"] = "LORA";
    adapter = LoraConfig::from_json(fields, "lora");
  }
  trainee made{{}, make_optimizer({.optim = optim, .weight_decay = weight_decay})};
  made.model = unlocked([&] {
    const auto source = checkpoint::open(resolve_model(path));
    return adapter ? tool::load_trained_lora(source, {"", *adapter}, seed, false) : tool::load_trained(source);
  });
  warn(made.model.warnings);
  return trainee_class::wrap(std::move(made));
}

/// Forward, backward, and a step of the optimizer on a batch of integers. Returns the loss.
f64 train(trainee& t, const Batch& batch, f64 learning_rate, f64 max_grad_norm) {
  TrainingModel& model = *t.model.training;
  const f64 loss = model.training_step(batch, {.dropout_seed = t.steps++, .others = other_inputs::refused});
  const auto parameters = trainables(model);
  const f64 norm = max_grad_norm > 0 ? clip_grad_norm_(parameters, max_grad_norm) : grad_norm(parameters);
  const bool finite = std::isfinite(loss) && std::isfinite(norm);
  if (finite) t.optimizer->step(parameters, learning_rate);
  for_each_parameter(model, [](const std::string&, parameter& p) { p.zero_grad(); });
  if (!finite)
    throw value_error("training_step", "loss and gradients", "finite numbers", detail::joined(loss, ", ", norm));
  return loss;
}
object trainee_training_step(PyObject* self, PyObject* args, PyObject* kwargs) {
  if (!PyArg_ParseTuple(args, ":training_step")) throw raised();
  const object inputs = keywords_of(kwargs);
  const f64 learning_rate = number_or(taken_out(inputs, "learning_rate"), 5e-5),
            max_grad_norm = number_or(taken_out(inputs, "max_grad_norm"), 1);
  Batch batch;
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t i = 0; PyDict_Next(inputs.get(), &i, &key, &value);) {
    const std::string name = text_of(key);
    const auto ids = integers_of<2>(value, name.c_str());
    batch[name] = {{ids.extent(0), ids.extent(1)}, {ids.data(), ids.data() + ids.size()}, {}};
  }
  return object(PyFloat_FromDouble(
      unlocked([&] { return train(trainee_class::in(self), batch, learning_rate, max_grad_norm); })));
}
object trainee_save_pretrained(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"folder", nullptr};
  const char* folder = nullptr;
  parse(args, kwargs, "s:save_pretrained", names, &folder);
  unlocked([&] { trainee_class::in(self).model.training->save(folder); });
  return object::none();
}

object set_threads(PyObject*, PyObject* args, PyObject*) {
  int n = 0;
  if (!PyArg_ParseTuple(args, "i:set_num_threads", &n)) throw raised();
  if (n < 1) throw value_error("set_num_threads", "", "at least 1", detail::joined(n));
  set_num_threads(n);
  return object::none();
}

// ---- the module

constexpr PyMethodDef last_method{nullptr, nullptr, 0, nullptr};
constexpr PyGetSetDef last_property{nullptr, nullptr, nullptr, nullptr, nullptr};

void fill(PyObject* module) {
  static PyMethodDef tensor_methods[] = {
      method<tensor_dlpack>("__dlpack__", "A capsule, for numpy.from_dlpack and torch.from_dlpack: no copy."),
      method<tensor_device>("__dlpack_device__", "(1, 0): the cpu."),
      method<tensor_tolist>("tolist", "The values as nested lists."), last_method};
  static PyGetSetDef tensor_properties[] = {property<tensor_shape>("shape", "Extents."),
                                            property<tensor_dtype>("dtype", "\"f32\", \"i64\", \"bf16\", ..."),
                                            last_property};
  tensor_class::add(module, "hft.Tensor", "Memory of hft's, which other libraries read by DLPack.", tensor_methods,
                    tensor_properties);

  static PyMethodDef tokenizer_methods[] = {
      method<tokenizer_from_pretrained>(
          "from_pretrained", "from_pretrained(id_or_path): of a folder, a GGUF file, or the hub's cache.", METH_STATIC),
      method<tokenizer_encode>("encode", "encode(text, add_special_tokens=True): a list of ids."),
      method<tokenizer_decode>("decode", "decode(ids, skip_special_tokens=False): text of a list or a tensor (T)."),
      method<tokenizer_apply_chat_template>(
          "apply_chat_template", "apply_chat_template(messages, add_generation_prompt=False): the text of a chat."),
      last_method};
  static PyGetSetDef no_properties[] = {last_property};
  tokenizer_class::add(module, "hft.AutoTokenizer", "A tokenizer.", tokenizer_methods, no_properties);

  static PyMethodDef model_methods[] = {
      method<model_from_pretrained>(
          "from_pretrained", "from_pretrained(id_or_path, dtype=None): weights as stored, or as \"f32\", \"q8_0\", ...",
          METH_STATIC),
      method<model_forward>("forward", "forward(input_ids, attention_mask=None): (B,T) to the logits (B,T,V)."),
      method<model_generate>("generate",
                             "generate(input_ids, *, attention_mask=None, tokenizer=None, **settings): (B,T) to "
                             "(B,T+N); settings are those of GenerationConfig, stop_strings need a tokenizer."),
      method<model_named_parameters>("named_parameters",
                                     "The weights, read-only and without a copy; those of block formats are left out."),
      method<model_load_adapter>("load_adapter", "load_adapter(folder): puts a LoRA adapter on the model."),
      method<model_save_pretrained>("save_pretrained", "save_pretrained(folder)"),
      last_method};
  static PyGetSetDef model_properties[] = {property<model_config>("config", "The config, as config.json has it."),
                                           last_property};
  model_class::add(module, "hft.AutoModelForCausalLM", "A causal language model of any architecture.", model_methods,
                   model_properties);

  static PyMethodDef trainee_methods[] = {
      method<trainee_from_pretrained>("from_pretrained",
                                      "from_pretrained(id_or_path, lora=None, optim=\"adamw_torch\", weight_decay=0, "
                                      "seed=42): all weights in f32, or an adapter by the fields of peft's LoraConfig.",
                                      METH_STATIC),
      method<trainee_training_step>("training_step",
                                    "training_step(*, learning_rate=5e-5, max_grad_norm=1, **inputs): the loss of a "
                                    "batch (input_ids, labels, ...: (B,T)) before the optimizer's step on it. Not for "
                                    "several threads at once."),
      method<trainee_save_pretrained>("save_pretrained", "save_pretrained(folder): the model, or the adapter alone."),
      last_method};
  trainee_class::add(module, "hft.TrainingModel", "The class that a checkpoint names, in training.", trainee_methods,
                     no_properties);

  // What loading has to say becomes Python's warnings.
  set_log_callback([](log_level level, const std::string& text) {
    const locked inside;
    if (level == log_level::warning) check(PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1));
  });
}

}  // namespace

PyMODINIT_FUNC PyInit_hft() {
  static PyMethodDef functions[] = {
      method<set_threads>("set_num_threads", "set_num_threads(n): of all computations from now on."), last_method};
  static PyModuleDef definition{PyModuleDef_HEAD_INIT,
                                "hft",
                                "Causal language models, by hft.",
                                -1,
                                functions,
                                nullptr,
                                nullptr,
                                nullptr,
                                nullptr};
  try {
    object module(PyModule_Create(&definition));
    fill(module.get());
    return module.release();
  } catch (...) {
    set_error();
    return nullptr;
  }
}
