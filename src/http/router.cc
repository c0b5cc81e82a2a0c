#include "http/router.h"

#include "http/url.h"

#include <algorithm>

namespace tidemark::http {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// How well `pattern` fits `path`: a string that compares greater the more literal it is; nothing when it does
// not fit.
std::optional<std::string> fit(std::string_view pattern, std::string_view path,
                               std::map<std::string, std::string>& parameters) {
  const auto wanted = split(pattern);
  const auto given = split(path);
  std::string rank;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string_view segment = wanted[i];
    const bool is_name = segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
    if (is_name && segment.ends_with("...}")) {
      if (i >= given.size()) return std::nullopt;
      const auto begin = given[i].data();
      auto rest = percent_decode({begin, static_cast<size_t>(path.data() + path.size() - begin)}, false);
      if (!rest) return std::nullopt;
      parameters[std::string(segment.substr(1, segment.size() - 5))] = std::move(*rest);
      return rank + '0';
    }
    if (i >= given.size()) return std::nullopt;
    auto decoded = percent_decode(given[i], false);
    if (!decoded) return std::nullopt;
    if (is_name) {
      if (decoded->empty()) return std::nullopt;
      parameters[std::string(segment.substr(1, segment.size() - 2))] = std::move(*decoded);
      rank += '1';
    } else {
      if (*decoded != segment) return std::nullopt;
      rank += '2';
    }
  }
  if (given.size() != wanted.size()) return std::nullopt;
  return rank;
}

}  // namespace

void Router::add(Route route) {
  routes_.push_back(std::make_unique<Route>(std::move(route)));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  std::string best;
  for (const auto& route : routes_) {
    std::map<std::string, std::string> parameters;
    const auto rank = fit(route->pattern, path, parameters);
    if (!rank) continue;
    if (std::find(match.allowed_methods.begin(), match.allowed_methods.end(), route->method) ==
        match.allowed_methods.end())
      match.allowed_methods.push_back(route->method);
    const bool method_fits = route->method == method || (method == "HEAD" && route->method == "GET");
    if (!method_fits || (match.route != nullptr && *rank <= best)) continue;
    match.route = route.get();
    match.parameters = std::move(parameters);
    best = *rank;
  }
  return match;
}

}  // namespace tidemark::http
