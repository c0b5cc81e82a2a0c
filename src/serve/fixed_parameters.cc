#include "serve/fixed_parameters.h"

#include "serve/shared_link.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::serve {
namespace {

http::Response not_for_it(const std::string& detail, const std::string& remedy = {}) {
  return http::Response::problem(403, "not allowed", detail, remedy);
}

std::optional<http::Response> wrong_with(const config::EndpointFile& endpoint,
                                         const config::FixedParameters& fixed) {
  for (const auto& [name, values] : fixed) {
    bool takes = std::any_of(endpoint.parameters.begin(), endpoint.parameters.end(),
                             [&](const auto& parameter) { return parameter.name == name; });
    if (!takes)
      return not_for_it(fmt::format("the token is for {} = {}, and the endpoint {} does not ask for it", name,
                                    values.front(), endpoint.name));
    if (values.size() > 1)
      return not_for_it(fmt::format("the token has several values of {}, and an endpoint takes one", name),
                        "ask a dashboard's tile, or give each value a token of its own");
  }
  return std::nullopt;
}

}  // namespace

std::optional<http::Response> narrow(http::Request& request, const std::string& pattern,
                                     const config::FixedParameters& fixed,
                                     const std::vector<config::EndpointFile>& endpoints,
                                     const std::vector<config::Dashboard>& dashboards) {
  const bool looks = request.method == "GET" || request.method == "HEAD";
  if (looks && pattern == "/openapi.json") return std::nullopt;
  const bool of_endpoint = pattern == "/api/endpoints/{name}";
  const bool of_dashboard =
      pattern == "/api/dashboards/{name}/live" || pattern == "/api/dashboards/{name}/tiles/{tile}";
  if (!looks || !(of_endpoint || of_dashboard))
    return not_for_it("the token has fixed parameters: it is for endpoints and tiles that take them",
                      "/openapi.json lists them");
  for (const auto& given : request.query)
    if (fixed.contains(given.first))
      return not_for_it(fmt::format("the token says what {} is", given.first), "leave it out of the request");
  const std::string& name = request.path_parameters.at("name");
  for (const auto& endpoint : endpoints)
    if (of_endpoint && endpoint.name == name)
      if (auto wrong = wrong_with(endpoint, fixed)) return wrong;
  for (const auto& dashboard : dashboards)
    if (of_dashboard && dashboard.name == name)
      if (Status fits = SharedLink{.dashboard = name, .filters = fixed}.fits(dashboard); !fits)
        return not_for_it(fits.error().message, fits.error().remedy);
  for (const auto& [parameter, values] : fixed)
    for (const auto& value : values) request.query.emplace_back(parameter, value);
  return std::nullopt;
}

}  // namespace tidemark::serve
