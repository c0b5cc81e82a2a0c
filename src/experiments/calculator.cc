#include "experiments/calculator.h"

#include "config/diagnostic.h"
#include "experiments/calculator_fields.h"

#include <cmath>
#include <fmt/format.h>

namespace tidemark::experiments {
namespace {

using namespace calculator;

const Methods& methods() {
  static const Methods all = [] {
    Methods found;
    add_comparison_methods(found);
    add_power_methods(found);
    add_sample_methods(found);
    add_attribution_methods(found);
    return found;
  }();
  return all;
}

// A published suite names its sample sizes by test case (test_continuous_default, ...): one method here.
std::string method_named(const std::string& name) {
  return name.starts_with("test_continuous") || name.starts_with("test_binomial") ? "sample_size" : name;
}

// Numbers as short as they can be without losing a bit; what JSON has no number for is null (an open end of
// an interval).
void write(const json::value& value, std::string& out) {
  if (value.is_double()) {
    double number = value.get_double();
    out += std::isfinite(number) ? fmt::format("{}", number) : "null";
  } else if (value.is_array()) {
    out += '[';
    for (const auto& entry : value.get_array()) {
      if (out.back() != '[') out += ',';
      write(entry, out);
    }
    out += ']';
  } else if (value.is_object()) {
    out += '{';
    for (const auto& [key, entry] : value.get_object()) {
      if (out.back() != '{') out += ',';
      out += json::serialize(json::string(key));
      out += ':';
      write(entry, out);
    }
    out += '}';
  } else {
    out += json::serialize(value);
  }
}

CalculatorAnswer answer_of(const json::value& id, const char* what, json::object content) {
  CalculatorAnswer answer;
  answer.is_result = std::string_view(what) == "result";
  write(json::object{{"id", id}, {what, std::move(content)}}, answer.text);
  return answer;
}

Result<json::object> result_of(const json::value& request) {
  if (!request.is_object()) return wrong("", "a request is a JSON object");
  Fields all(request.get_object(), "");
  std::string name = TRY(all.text("method"));
  auto method = methods().find(method_named(name));
  if (method == methods().end()) {
    std::vector<std::string> known = calculator_methods();
    return wrong("method", fmt::format("unknown method `{}`{}", name, config::did_you_mean(name, known)));
  }
  if (all.has("params")) TRY_VOID(all.object("params"));
  Request read{all, all.object_or_empty("params")};
  json::object result = TRY(method->second(read));
  json::array ignored;
  for (const auto& key : read.params.unread()) ignored.emplace_back("params." + key);
  if (!ignored.empty()) result["ignored"] = std::move(ignored);
  return result;
}

CalculatorAnswer answer_request(const json::value& request) {
  const json::value* id = request.is_object() ? request.get_object().if_contains("id") : nullptr;
  json::value shown_id = id == nullptr ? json::value(nullptr) : *id;
  auto result = result_of(request);
  if (result) return answer_of(shown_id, "result", std::move(*result));
  const Error& error = result.error();
  std::string field = error.context.empty() ? "" : error.context.front();
  return answer_of(shown_id, "error", {{"field", field}, {"message", error.message}});
}

// Python writes NaN and Infinity where JSON has no such thing. As strings they reach the check of the field
// they stand in, which names it.
std::string with_quoted_specials(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char letter = text[i];
    if (in_string && letter == '\\' && i + 1 < text.size()) {
      out.append(text.substr(i++, 2));
      continue;
    }
    if (letter == '"') in_string = !in_string;
    if (!in_string) {
      bool special = false;
      for (std::string_view word : {"NaN", "-Infinity", "Infinity"}) {
        if (!text.substr(i).starts_with(word)) continue;
        out.append("\"").append(word).append("\"");
        i += word.size() - 1;
        special = true;
        break;
      }
      if (special) continue;
    }
    out += letter;
  }
  return out;
}

std::optional<json::value> parsed(std::string_view text, std::string& problem) {
  json::parse_options options;
  options.max_depth = calculator_depth_max;
  json::error_code failure;
  json::value value = json::parse(json::string_view(text.data(), text.size()), failure, {}, options);
  if (!failure) return value;
  json::error_code again;
  std::string quoted = with_quoted_specials(text);
  value = json::parse(quoted, again, {}, options);
  if (!again) return value;
  problem = fmt::format("not JSON: {}", failure.message());
  return std::nullopt;
}

}  // namespace

std::vector<CalculatorAnswer> calculate(std::string_view text, std::string& problem) {
  auto document = parsed(text, problem);
  if (!document) return {};
  const json::array* requests = nullptr;
  if (document->is_array()) requests = &document->get_array();
  if (const json::object* object = document->if_object()) {
    const json::value* vectors = object->if_contains("vectors");
    if (vectors != nullptr && vectors->is_array()) requests = &vectors->get_array();
  }
  std::vector<CalculatorAnswer> answers;
  if (requests == nullptr)
    answers.push_back(answer_request(*document));
  else
    for (const auto& request : *requests) answers.push_back(answer_request(request));
  return answers;
}

CalculatorAnswer calculator_failure(std::string_view field, std::string_view message) {
  return answer_of(nullptr, "error", {{"field", std::string(field)}, {"message", std::string(message)}});
}

std::vector<std::string> calculator_methods() {
  std::vector<std::string> names;
  for (const auto& [name, method] : methods()) names.push_back(name);
  return names;
}

}  // namespace tidemark::experiments
