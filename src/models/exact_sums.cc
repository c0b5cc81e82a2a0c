#include "models/exact_sums.h"

#include <cstdlib>
#include <fmt/format.h>

namespace tidemark::models {
namespace {

std::string_view bare(std::string_view type) {
  for (std::string_view wrapper : {"LowCardinality(", "Nullable("})
    if (type.starts_with(wrapper)) type = type.substr(wrapper.size(), type.size() - wrapper.size() - 1);
  return type;
}

bool integer(std::string_view type) {
  return type == "Bool" || type.starts_with("Int") || type.starts_with("UInt");
}

}  // namespace

bool is_nullable(std::string_view type) {
  return type.starts_with("Nullable(") || type.starts_with("LowCardinality(Nullable(");
}

bool is_floating(std::string_view type) {
  return bare(type).starts_with("Float") || bare(type) == "BFloat16";
}

std::string exact_sum_type(std::string_view nullable_type) {
  std::string_view type = bare(nullable_type);
  if (type == "Bool" || type == "UInt8" || type == "UInt16" || type == "UInt32" || type == "UInt64")
    return "UInt64";
  if (type == "Int8" || type == "Int16" || type == "Int32" || type == "Int64") return "Int64";
  if (type == "Int128" || type == "Int256" || type == "UInt128" || type == "UInt256")
    return std::string(type);
  if (type.starts_with("Decimal(")) {
    int precision = std::atoi(type.data() + 8);
    std::string_view scale = type.substr(type.find(',') + 1);
    scale = scale.substr(scale.find_first_not_of(' '));
    return fmt::format("Decimal({}, {}", precision <= 38 ? 38 : 76, scale);
  }
  return {};
}

std::string signed_type(const std::string& sum_type) {
  return sum_type.starts_with("UInt") ? sum_type.substr(1) : sum_type;
}

std::string kept_factor_type(std::string_view factor, std::string_view other, const std::string& sum_type) {
  std::string own = exact_sum_type(factor);
  if (own.empty() || exact_sum_type(other).empty()) return {};
  if (integer(bare(factor)) && integer(bare(other)))
    // All of it modulo 2^64, or a wider product of a sum that has wrapped.
    return sum_type == "Int64" || sum_type == "UInt64" ? "Int64" : "";
  // An integer times a Decimal: wide enough that 2^63 rows do not wrap.
  if (integer(bare(factor))) return own == "Int64" || own == "UInt64" ? "Int128" : "";
  return own;
}

}  // namespace tidemark::models
