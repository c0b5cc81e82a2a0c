// Types in which sums of rows stay exact when rows are taken back: integers, modulo their width, and
// Decimals. Floats are not among them: adding and taking away does not give back the same number. Pure
// functions of ClickHouse's type names.
#pragma once

#include <string>
#include <string_view>

namespace tidemark::models {

bool is_nullable(std::string_view type);
bool is_floating(std::string_view type);  // also Nullable

// The type of sum() over `type` as ClickHouse gives it, without Nullable; empty when such a sum would not be
// exact or does not exist.
std::string exact_sum_type(std::string_view type);

// Deltas go below zero; sums of unsigned numbers wrap back on the way out, modulo the same power of two.
std::string signed_type(const std::string& sum_type);

// In which type to keep the sum of a factor so that multiplying the sum gives the sum of the products, whose
// type is `sum_type`: "Decimal(38, 4)". Empty when there is none, because a wider product would see where the
// kept sum wrapped.
std::string kept_factor_type(std::string_view factor, std::string_view other, const std::string& sum_type);

}  // namespace tidemark::models
