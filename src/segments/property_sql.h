// Tests of values as SQL.
#pragma once

#include "segments/row_source.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

// Where conditions go wrong against the warehouse; all of them are collected.
struct Problem {
  Location where;
  std::string message;
  std::string remedy;
};

// Everything a test needs besides the value.
struct SqlContext {
  Parameters& parameters;
  const Zone& zone;
  std::vector<Problem>& problems;
};

using FindOperand = std::function<std::optional<Operand>(const Path&)>;

// `find` gives the value for a path; nothing is a problem reported with `what` ("bronze.orders has") and the
// nearest of `names`. HasBeen is not for rows without a history: a problem.
struct RowScope {
  FindOperand find;
  std::string what;
  std::vector<std::string> names;
};

Truth property_sql(SqlContext& context, const RowScope& scope, const PropertyCondition& condition,
                   const Location& where);
// All of them; conditions over properties, and `not` around them, only.
Truth filter_sql(SqlContext& context, const RowScope& scope, const std::vector<Node>& filter);

// NULL where `number` is; Nullable(UInt8).
std::string in_range(Parameters& parameters, const std::string& number, const NumberRange& range,
                     const std::string& type = "Decimal(38, 10)");

// The expressions of one operand for a test, without the look-up of the path; HasBeen excluded.
Truth is_one_of(Parameters& parameters, const Operand& operand, const std::vector<Literal>& values);

}  // namespace tidemark::segments
