// The statistics as a calculator: one JSON object in, one JSON object out. `tidemark stats` is this and
// nothing else.
//
//   in   {"id": "a", "method": "t_two_sided", "params": {"difference": "relative", "alpha": 0.05},
//         "control": {"type": "mean", "n": 100, "sum": 270, "sum_squares": 848.79}, "treatment": {...}}
//   out  {"id": "a", "result": {"status": "ok", "estimate": -0.074, ...}}
//   or   {"id": "a", "error": {"field": "control.n", "message": "-1 is no number of units: ..."}}
//
// What can be asked for: docs/EXPERIMENTS.md, "Statistics". Two kinds of bad input are told apart. What
// cannot be (NaN, more conversions than units, alpha outside (0, 1), a field missing) is an error that names
// the field. What can be and says nothing (no units, no variance, control mean 0) is a result with status
// "uninformative" and a reason, never NaN. Parameters that no one asked for are listed in the result as
// "ignored": a misspelt "alhpa" must not go unseen.
//
// Pure: no state, no I/O; any thread. Time and memory are bounded by the input's size; see the limits below.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::experiments {

constexpr size_t calculator_document_max = 64 << 20;  // bytes; a year of hourly requests is a few MB
constexpr size_t calculator_list_max = 1'000'000;     // numbers in one list of a request
constexpr size_t calculator_depth_max = 32;

struct CalculatorAnswer {
  std::string text;  // one line of JSON, without the line's end
  bool is_result = false;
};

// `text` is one request, an array of requests, or a document with a list "vectors" of them: one answer each.
// Nothing comes back when the text is not JSON; `problem` then says why.
std::vector<CalculatorAnswer> calculate(std::string_view text, std::string& problem);

// For a text that is not JSON.
CalculatorAnswer calculator_failure(std::string_view field, std::string_view message);

// The methods there are, sorted.
std::vector<std::string> calculator_methods();

}  // namespace tidemark::experiments
