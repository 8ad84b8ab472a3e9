// Datasets from Parquet files, read by Apache Arrow's C++ library. Opt-in: nothing of hft includes this header, and a
// program that does links with arrow and parquet (CMake: Arrow::arrow_shared, Parquet::parquet_shared). Where Arrow's
// headers are not installed, load_parquet is an unsupported_error.
//
// A program that includes it in any of its sources reads .parquet by load_dataset, too.
#pragma once
#include <filesystem>

#include <hft/io/mapped_file.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/train/data/load_dataset.hpp>

#if __has_include(<parquet/arrow/reader.h>)
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace hft {

namespace detail {

class parquet_rows final : public RowSource {
 public:
  explicit parquet_rows(const std::filesystem::path& path) : path_(path.string()) {
    check_readable(path);
    refuse_web_page(mapped_file::open(path)->text(), path_);
    auto file = arrow::io::ReadableFile::Open(path_);
    if (!file.ok()) throw file_error(path_, file.status().message());
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(*file));
    check(builder.Build(&reader_));
    const auto& metadata = *reader_->parquet_reader()->metadata();
    for (int g = 0; g < metadata.num_row_groups(); ++g) {
      first_rows_.push_back(rows_);
      rows_ += isize(metadata.RowGroup(g)->num_rows());
    }
    if (rows_ == 0) throw format_error(path_, "", "at least one row", "none");
  }

  isize size() const override { return rows_; }
  json row(isize i) const override {
    const auto after = std::upper_bound(first_rows_.begin(), first_rows_.end(), i);
    const auto group = after - first_rows_.begin() - 1;
    const auto table = row_group(int(group));
    json out = json::object();
    for (int c = 0; c < table->num_columns(); ++c) {
      const std::string& name = table->schema()->field(c)->name();
      std::int64_t at = i - first_rows_[std::size_t(group)];
      for (const auto& chunk : table->column(c)->chunks()) {
        if (at < chunk->length()) {
          out[name] = value(*chunk, at, i, name);
          break;
        }
        at -= chunk->length();
      }
    }
    return out;
  }

 private:
  // A missing folder or file says so as all files do, before Arrow words it.
  static void check_readable(const std::filesystem::path& path) {
    if (!std::filesystem::is_regular_file(path)) throw file_error(path.string(), "no such file");
  }
  void check(const arrow::Status& status) const {
    if (!status.ok()) throw format_error(path_, "Parquet", "a readable file", status.message());
  }

  // The group read last stays in memory: rows in order, and rows shuffled within a file of one group, are read once.
  std::shared_ptr<arrow::Table> row_group(int group) const {
    const std::lock_guard lock(mutex_);
    if (group != group_ || !table_) {
      table_ = read(*reader_, group);
      group_ = group;
    }
    return table_;
  }
  // Arrow 24 has other signatures.
  template <class Reader>
  std::shared_ptr<arrow::Table> read(Reader& reader, int group) const {
    if constexpr (requires { reader.ReadRowGroup(group).ok(); }) {
      auto result = reader.ReadRowGroup(group);
      check(result.status());
      return *result;
    } else {
      std::shared_ptr<arrow::Table> table;
      check(reader.ReadRowGroup(group, &table));
      return table;
    }
  }

  json value(const arrow::Array& array, std::int64_t i, isize row, const std::string& name) const {
    if (array.IsNull(i)) return nullptr;
    const auto number = [&]<class Array>(std::type_identity<Array>) {
      return static_cast<const Array&>(array).Value(i);
    };
    const auto text = [&]<class Array>(std::type_identity<Array>) -> json {
      std::string s(static_cast<const Array&>(array).GetView(i));
      if (const auto bad = find_invalid_utf8(s); bad != s.npos)
        throw format_error(path_, joined("row ", row, ", column ", quote_text(name)), "UTF-8",
                           quote_text(s.substr(bad, 4)));
      return json(std::move(s));
    };
    const auto list = [&]<class Array>(std::type_identity<Array>) -> json {
      const auto& lists = static_cast<const Array&>(array);
      const auto begin = lists.value_offset(i);
      json out = json::array();
      for (std::int64_t k = begin; k < begin + lists.value_length(i); ++k)
        out.push_back(value(*lists.values(), k, row, name));
      return out;
    };
    switch (array.type_id()) {
      case arrow::Type::BOOL:
        return bool(number(std::type_identity<arrow::BooleanArray>{}));
      case arrow::Type::INT8:
        return i64(number(std::type_identity<arrow::Int8Array>{}));
      case arrow::Type::INT16:
        return i64(number(std::type_identity<arrow::Int16Array>{}));
      case arrow::Type::INT32:
        return i64(number(std::type_identity<arrow::Int32Array>{}));
      case arrow::Type::INT64:
        return i64(number(std::type_identity<arrow::Int64Array>{}));
      case arrow::Type::UINT8:
        return i64(number(std::type_identity<arrow::UInt8Array>{}));
      case arrow::Type::UINT16:
        return i64(number(std::type_identity<arrow::UInt16Array>{}));
      case arrow::Type::UINT32:
        return i64(number(std::type_identity<arrow::UInt32Array>{}));
      case arrow::Type::FLOAT:
        return f64(number(std::type_identity<arrow::FloatArray>{}));
      case arrow::Type::DOUBLE:
        return number(std::type_identity<arrow::DoubleArray>{});
      case arrow::Type::STRING:
        return text(std::type_identity<arrow::StringArray>{});
      case arrow::Type::LARGE_STRING:
        return text(std::type_identity<arrow::LargeStringArray>{});
      case arrow::Type::LIST:
        return list(std::type_identity<arrow::ListArray>{});
      case arrow::Type::LARGE_LIST:
        return list(std::type_identity<arrow::LargeListArray>{});
      case arrow::Type::FIXED_SIZE_LIST:
        return list(std::type_identity<arrow::FixedSizeListArray>{});
      case arrow::Type::UINT64: {
        const auto n = number(std::type_identity<arrow::UInt64Array>{});
        if (n <= std::uint64_t(std::numeric_limits<i64>::max())) return i64(n);
        throw format_error(path_, joined("row ", row, ", column ", quote_text(name)), "at most 2^63 - 1", joined(n));
      }
      case arrow::Type::STRUCT: {
        const auto& members = static_cast<const arrow::StructArray&>(array);
        json out = json::object();
        for (int m = 0; m < members.num_fields(); ++m) {
          const std::string& member = members.struct_type()->field(m)->name();
          out[member] = value(*members.field(m), i, row, name);
        }
        return out;
      }
      case arrow::Type::DICTIONARY: {
        const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
        return value(*coded.dictionary(), coded.GetValueIndex(i), row, name);
      }
      default:
        throw unsupported_error(path_, joined("column ", quote_text(name)),
                                "numbers, booleans, texts, and lists and structs of them", array.type()->ToString());
    }
  }

  std::string path_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<isize> first_rows_;  // of each row group
  isize rows_ = 0;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<arrow::Table> table_;
  mutable int group_ = -1;
};

}  // namespace detail

/// The rows of a Parquet file; a row group is read when one of its rows is asked for, and the last one is kept. Throws
/// file_error for a file that cannot be read, format_error for a broken or an empty one, unsupported_error, when a row
/// is read, for a column of another type than numbers, booleans, texts, and lists and structs of them.
inline Dataset load_parquet(const std::filesystem::path& path) {
  return Dataset(std::make_shared<detail::parquet_rows>(path));
}

}  // namespace hft
#else
namespace hft {
inline Dataset load_parquet(const std::filesystem::path& path) {
  throw unsupported_error(path.string(), "Parquet", "a program compiled where Apache Arrow is installed", "");
}
}  // namespace hft
#endif

namespace hft::detail {
inline const bool reads_parquet = (parquet_loader() = &load_parquet, true);
}  // namespace hft::detail
