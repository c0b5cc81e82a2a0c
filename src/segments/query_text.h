// Pieces that generated queries are made of: bound parameters, the instant of evaluation, and the pair of
// expressions that every condition becomes.
#pragma once

#include "clickhouse/client.h"
#include "segments/definition.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::segments {

// What users wrote enters a query here and nowhere else. Equal values share a parameter.
class Parameters {
 public:
  // "{p3:String}"
  std::string add(const std::string& type, const std::string& value);
  std::string add_list(const std::string& element_type, const std::vector<std::string>& values);
  void into(clickhouse::QueryOptions& options) const;

 private:
  std::string add_raw(const std::string& type, const std::string& value, bool raw);

  struct Bound {
    std::string value;
    bool raw;
  };
  std::vector<Bound> bound_;
  std::map<std::string, size_t> known_;
};

// A condition as SQL: `value` is UInt8, never NULL; `next` is the Int64 microsecond, after the instant of
// evaluation, before which the value stays as it is if no row changes. Empty: it does not change.
struct Truth {
  std::string value;
  std::string next;
};

// Never: later than every instant.
inline constexpr const char* never = "toInt64(9223372036854775807)";
// The instant of evaluation, Int64 microseconds; bound by whoever runs the query.
inline constexpr const char* as_of = "{as_of:Int64}";

std::string microseconds(int64_t seconds);
// `least` over those that are there; empty when none is.
std::string earliest(const std::vector<std::string>& nexts);
std::string all_of(const std::vector<std::string>& conditions);
std::string any_of(const std::vector<std::string>& conditions);

// A definition's zone and what hangs on it.
class Zone {
 public:
  Zone(Parameters& parameters, const std::string& name) : name_(parameters.add("String", name)) {}

  const std::string& name() const { return name_; }  // as a parameter
  // Int64 microseconds.
  std::string instant(Parameters& parameters, const Moment& moment) const;
  // Date32 of Int64 microseconds; Int64 microseconds of a Date32's first instant.
  std::string day_of(const std::string& instant) const;
  std::string start_of(const std::string& day) const;

 private:
  std::string name_;
};

}  // namespace tidemark::segments
