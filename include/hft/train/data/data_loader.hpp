// DataLoader: batches of a dataset in the order of a sampler, prepared ahead by threads. The batches of an epoch depend
// on the dataset, the collator, the options and the epoch's number, and on nothing else: not on the number of threads,
// nor on whether earlier batches were asked for, so a run that is resumed in an epoch's middle sees the same ones.
#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <hft/train/data/batch.hpp>
#include <hft/train/data/dataset.hpp>
#include <hft/train/data/sampler.hpp>

namespace hft {

/// Makes a batch of rows. `position` is a number that each batch of a run has for itself; what is random in a collator
/// (masking) depends on it and on the collator's seed. Called by many threads at once.
using DataCollator = std::function<Batch(std::span<const json> rows, std::uint64_t position)>;

struct DataLoaderOptions {
  isize batch_size = 8;
  bool drop_last = false;  // leave out a last batch that is not full
  SamplingStrategy sampling = SamplingStrategy::sequential;
  std::uint64_t seed = 0;
  isize group_size = 0;                  // rows that group_by_length sorts as one; 0: batch_size
  std::string length_column = "length";  // for it; rows without it: the length of input_ids
  isize num_workers = 0;                 // threads; 0: batches are made when they are asked for
  isize prefetch_factor = 2;             // batches that each thread makes ahead
};

class DataLoader {
 public:
  class Epoch;

  /// Throws value_error for an empty dataset and options out of range.
  DataLoader(Dataset dataset, DataCollator collator, DataLoaderOptions options = {})
      : dataset_(std::move(dataset)), collator_(std::move(collator)), options_(std::move(options)) {
    if (dataset_.empty()) throw value_error("DataLoader", "the dataset", "at least one row", "none");
    if (options_.batch_size < 1 || options_.num_workers < 0 || options_.prefetch_factor < 1)
      throw value_error(
          "DataLoader", "options", "batch_size, prefetch_factor >= 1, num_workers >= 0",
          detail::joined(options_.batch_size, ", ", options_.prefetch_factor, ", ", options_.num_workers));
  }

  const Dataset& dataset() const { return dataset_; }
  const DataLoaderOptions& options() const { return options_; }
  /// Batches of an epoch.
  isize size() const {
    const isize n = dataset_.size(), b = options_.batch_size;
    return options_.drop_last ? n / b : (n + b - 1) / b;
  }
  /// The rows of an epoch in their order.
  std::vector<isize> order(isize epoch) const {
    switch (options_.sampling) {
      case SamplingStrategy::random:
        return random_permutation(dataset_.size(), options_.seed, std::uint64_t(epoch));
      case SamplingStrategy::group_by_length:
        return length_grouped_indices(lengths(), options_.group_size ? options_.group_size : options_.batch_size,
                                      options_.seed, std::uint64_t(epoch));
      default:
        break;
    }
    std::vector<isize> rows(static_cast<std::size_t>(dataset_.size()));
    std::iota(rows.begin(), rows.end(), isize(0));
    return rows;
  }
  /// The batches of an epoch from `first` on. The loader must outlive it.
  Epoch epoch(isize number, isize first = 0) const;

 private:
  const std::vector<isize>& lengths() const {
    if (!lengths_.empty()) return lengths_;
    std::vector<isize> all;
    dataset_.for_each_row("reading", [&](const json& row) {
      const json* length = find_member(row, options_.length_column);
      const json* ids = find_member(row, "input_ids");
      if (length && length->is_number_integer())
        all.push_back(length->get<isize>());
      else if (ids && ids->is_array())
        all.push_back(isize(ids->size()));
      else
        throw value_error("group_by_length", detail::joined("row ", all.size()),
                          detail::joined("'", options_.length_column, "' or 'input_ids'"), "neither");
    });
    return lengths_ = std::move(all);
  }

  Dataset dataset_;
  DataCollator collator_;
  DataLoaderOptions options_;
  mutable std::vector<isize> lengths_;
};

/// Batches of one epoch, in order.
class DataLoader::Epoch {
 public:
  Epoch(const DataLoader& loader, isize number, isize first) : state_(std::make_unique<state>(loader, number, first)) {
    const isize workers = std::min(loader.options_.num_workers, state_->count - first);
    try {
      for (isize i = 0; i < workers; ++i) threads_.emplace_back([s = state_.get()] { s->work(); });
    } catch (const std::system_error&) {  // the system has no more threads: go on with those that it gave
    }
  }
  Epoch(Epoch&&) noexcept = default;
  Epoch& operator=(Epoch&&) = delete;
  ~Epoch() {
    if (!state_) return;
    {
      std::lock_guard lock(state_->mutex);
      state_->stopping = true;
    }
    state_->changed.notify_all();
    for (auto& t : threads_) t.join();
  }

  /// The next batch, or nothing after the last. Throws what reading or collating its rows threw.
  std::optional<Batch> next() {
    state& s = *state_;
    if (s.taken >= s.count) return {};
    if (threads_.empty()) return s.make(s.taken++);
    std::unique_lock lock(s.mutex);
    slot& mine = s.slots[std::size_t(s.taken) % s.slots.size()];
    s.changed.wait(lock, [&] { return mine.ready; });
    mine.ready = false;
    ++s.taken;
    Batch batch = std::move(mine.batch);
    const auto failure = std::exchange(mine.failure, nullptr);
    lock.unlock();
    s.changed.notify_all();
    if (failure) std::rethrow_exception(failure);
    return batch;
  }

 private:
  struct slot {
    Batch batch;
    std::exception_ptr failure;
    bool ready = false;
  };
  struct state {
    state(const DataLoader& l, isize number, isize first)
        : loader(l), epoch(number), count(l.size()), rows(l.order(number)), next(first), taken(first) {
      slots.resize(std::size_t(std::max<isize>(1, l.options_.num_workers * l.options_.prefetch_factor)));
    }

    Batch make(isize i) const {
      const isize b = loader.options_.batch_size;
      std::vector<json> features;
      for (isize r = i * b; r < std::min((i + 1) * b, isize(rows.size())); ++r)
        features.push_back(loader.dataset_[rows[std::size_t(r)]]);
      return loader.collator_(features, std::uint64_t(epoch) * std::uint64_t(count) + std::uint64_t(i));
    }

    // A worker takes the next batch that nobody has begun, once there is a slot for it.
    void work() {
      std::unique_lock lock(mutex);
      for (;;) {
        changed.wait(lock, [&] { return stopping || next >= count || next < taken + isize(slots.size()); });
        if (stopping || next >= count) return;
        const isize i = next++;
        lock.unlock();
        Batch batch;
        std::exception_ptr failure;
        try {
          batch = make(i);
        } catch (...) {
          failure = std::current_exception();
        }
        lock.lock();
        slot& s = slots[std::size_t(i) % slots.size()];
        s.batch = std::move(batch);
        s.failure = failure;
        s.ready = true;
        changed.notify_all();
      }
    }

    const DataLoader& loader;
    isize epoch, count;
    std::vector<isize> rows;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<slot> slots;  // of batch i: slots[i % size]
    isize next, taken;        // the first batch that no worker has begun, that was not handed out
    bool stopping = false;
  };

  std::unique_ptr<state> state_;
  std::vector<std::thread> threads_;
};

inline DataLoader::Epoch DataLoader::epoch(isize number, isize first) const {
  if (first < 0 || first > size())
    throw value_error("DataLoader", "first batch", detail::joined("0 to ", size()), detail::joined(first));
  return Epoch(*this, number, first);
}

}  // namespace hft
