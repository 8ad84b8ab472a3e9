// Optimizer: the base of all. It keeps the state of each parameter, walks the parameters in tiles on all threads, and
// writes and reads the state for a resume that is exact to the bit.
//
//   auto optimizer = make_optimizer({.optim = "adamw_torch", .weight_decay = 0.1});    // optimizers/make_optimizer.hpp
//   optimizer->step(trainables(model), scheduler->get_last_lr());
//   write_safetensors(path, optimizer->state_dict());
//   optimizer->load_state_dict(safetensors_file::open(path).tensors(), path);
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

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/parallel.hpp>
#include <hft/train/trainable.hpp>

namespace hft {

/// Updates parameters in place from their gradients. The state of a parameter begins at its first gradient and is found
/// by its name.
class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  /// The name that the optimizer goes by in its state and in messages: "AdamW".
  virtual std::string_view name() const = 0;

  /// One step. Parameters without a gradient stay as they are. The result does not depend on the number of threads.
  /// Throws value_error where a parameter has another shape than before.
  void step(std::span<const trainable> parameters, f64 lr) {
    std::vector<work> todo;
    for (const trainable& p : parameters) {
      if (!p.grad || p.size() == 0) continue;
      slot& s = slot_of(p);
      ++s.step;
      todo.push_back({&p, &s, lr * p.lr_scale});
    }
    update(todo);
  }

  /// The state as tensors `PARAMETER.STATE`, that of `PARAMETER.step` a number; they share memory with the optimizer,
  /// so they are to be written before the next step.
  std::vector<stored_tensor> state_dict() const {
    std::vector<stored_tensor> out;
    for (const auto& [parameter, s] : slots_) {
      auto count = std::make_shared<i64>(s.step);
      const auto bytes = std::as_bytes(std::span(count.get(), 1));
      out.push_back({parameter + ".step", dtype_id::i64, {}, bytes, std::move(count)});
      for (const state_tensor& t : s.tensors)
        out.push_back({parameter + "." + t.name, t.dtype, t.shape, {t.memory.get(), t.bytes()}, t.memory});
    }
    return out;
  }

  /// Takes a state that state_dict() gave. `parameters` are those it belongs to. Throws weight_error for a state of
  /// another optimizer or model, and leaves its own as it was.
  void load_state_dict(std::span<const stored_tensor> tensors, std::span<const trainable> parameters,
                       std::string_view where = "optimizer") {
    const detail::name_index index(tensors, detail::tensor_name{});
    const auto find = [&](const std::string& name) { return index.find(tensors, name, detail::tensor_name{}); };
    std::map<std::string, slot> loaded;
    std::size_t used = 0;
    for (const trainable& p : parameters) {
      const stored_tensor* count = find(p.name + ".step");
      if (!count) continue;  // it had no gradient yet
      if (count->dtype != dtype_id::i64 || count->bytes.size() != sizeof(i64))
        throw weight_error(where, count->name, "one i64");
      slot s = new_slot(p);
      std::memcpy(&s.step, count->bytes.data(), sizeof s.step);
      if (s.step < 1) throw weight_error(where, count->name, "at least 1", detail::joined(s.step));
      for (state_tensor& t : s.tensors) {
        const stored_tensor* from = find(p.name + "." + t.name);
        if (!from)
          throw weight_error(where, "the state of " + std::string(name()), p.name + "." + t.name, "no such tensor");
        if (from->dtype != t.dtype || from->shape != t.shape || from->bytes.size() != t.bytes())
          throw weight_error(where, from->name, detail::joined(hft::name(t.dtype), " ", detail::shape_text(t.shape)),
                             detail::joined(hft::name(from->dtype), " ", detail::shape_text(from->shape)));
        if (t.bytes()) std::memcpy(t.memory.get(), from->bytes.data(), t.bytes());
      }
      used += 1 + s.tensors.size();
      loaded.insert_or_assign(p.name, std::move(s));
    }
    if (used != tensors.size())
      throw weight_error(where, "the state", detail::joined(used, " tensors for this model and ", name()),
                         detail::joined(tensors.size()));
    slots_ = std::move(loaded);
  }

 protected:
  /// A tensor of a parameter's state.
  struct state_tensor {
    std::string name;  // "exp_avg"
    dtype_id dtype = dtype_id::f32;
    std::vector<isize> shape;
    std::shared_ptr<std::byte[]> memory = nullptr;  // zero at first

    std::size_t bytes() const {
      std::size_t n = std::size_t(info(dtype).bytes);
      for (const isize e : shape) n *= std::size_t(e);
      return n;
    }
    template <class T>
    T* as() const {
      return reinterpret_cast<T*>(memory.get());
    }
  };

  /// All state of a parameter.
  struct slot {
    i64 step = 0;  // counts from 1 while a step runs
    std::vector<state_tensor> tensors;
  };

  struct work {
    const trainable* parameter;
    slot* state;
    f64 lr;
  };

  /// The state that a parameter needs, without memory.
  virtual std::vector<state_tensor> make_state(const trainable&) const = 0;

  /// Updates elements [begin, end) of one parameter; for optimizers that treat elements one by one, or in blocks of
  /// 256, of which `begin` is a multiple.
  virtual void update_range(const work&, isize begin, isize end) { (void)begin, (void)end; }

  /// Called when memory for a parameter's state has been made, for what does not begin at zero.
  virtual void fill_state(slot&) const {}

  /// Updates all parameters; by default in tiles, which all threads share.
  virtual void update(std::span<const work> todo) {
    constexpr isize tile = 16384;
    std::vector<isize> first{0};  // the number of the first tile of each parameter
    for (const work& w : todo) first.push_back(first.back() + (w.parameter->size() + tile - 1) / tile);
    parallel_for(first.back(), 1, [&](isize begin, isize end) {
      std::size_t i = std::size_t(std::upper_bound(first.begin(), first.end(), begin) - first.begin()) - 1;
      for (isize t = begin; t < end; ++t) {
        while (t >= first[i + 1]) ++i;
        const isize at = (t - first[i]) * tile;
        update_range(todo[i], at, std::min(at + tile, todo[i].parameter->size()));
      }
    });
  }

 private:
  slot new_slot(const trainable& p) const {
    slot s{0, make_state(p)};
    for (state_tensor& t : s.tensors) t.memory = std::shared_ptr<std::byte[]>(new std::byte[t.bytes()]());
    fill_state(s);
    return s;
  }
  slot& slot_of(const trainable& p) {
    const auto found = slots_.find(p.name);
    if (found == slots_.end()) return slots_.emplace(p.name, new_slot(p)).first->second;
    const auto wanted = make_state(p);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted.size() != found->second.tensors.size() || wanted[i].shape != found->second.tensors[i].shape)
        throw value_error(name(), "parameter " + p.name, "the shape that it had before", detail::shape_text(p.shape));
    return found->second;
  }

  std::map<std::string, slot> slots_;
};

}  // namespace hft
