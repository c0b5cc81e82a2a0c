#include "cli/profile_routes.h"

#include "cli/output.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

using http::Request;
using http::Response;

Response problem_of_erasure(const Error& error) {
  if (error.kind == ErrorKind::config)
    return Response::problem(404, "not found", error.message, error.remedy);
  return Response::problem(error);
}

Response answer(Result<std::string> document, int status = 200) {
  return document ? Response::json(std::move(*document), status) : problem_of_erasure(document.error());
}

}  // namespace

void add_profile_routes(http::Server& server, LiveErasures& erasures,
                        std::shared_ptr<const serve::Access> access) {
  auto route = [&](const char* method, const char* pattern,
                   const std::function<Response(const Request&)>& act) {
    server.route(method, pattern, [act, access](const Request& request) {
      if (auto refused = access->refuse(request, "admin")) return *refused;
      return act(request);
    });
  };
  auto remove = [&erasures, access](const Request& request) {
    auto number = erasures.ask({.profiles = request.path_parameters.at("profiles"),
                                .id = request.path_parameters.at("id"),
                                .reason = request.query_value("reason").value_or(""),
                                .asked_by = access->name_of(request)});
    if (!number) return problem_of_erasure(number.error());
    return answer(erasures.document(*number), 202);
  };
  route("DELETE", "/api/profiles/{profiles}/{id}", remove);
  route("POST", "/api/profiles/{profiles}/{id}/delete", remove);
  for (bool suppressed : {true, false})
    route(
        "POST",
        suppressed ? "/api/profiles/{profiles}/{id}/suppress" : "/api/profiles/{profiles}/{id}/unsuppress",
        [&erasures, suppressed](const Request& request) {
          const std::string& id = request.path_parameters.at("id");
          if (auto done = erasures.suppress(request.path_parameters.at("profiles"), id, suppressed); !done)
            return problem_of_erasure(done.error());
          return Response::json(fmt::format("{{\"id\":{},\"suppressed\":{}}}", json_quoted(id), suppressed));
        });
  for (bool apart : {true, false})
    route("POST", apart ? "/api/profiles/{profiles}/{id}/unmerge" : "/api/profiles/{profiles}/{id}/remerge",
          [&erasures, apart](const Request& request) {
            auto other = request.query_value("other");
            if (!other)
              return Response::problem(400, "bad request", "of whom? `other` is missing",
                                       "?other=user_id:42");
            auto done = erasures.decide(request.path_parameters.at("profiles"),
                                        request.path_parameters.at("id"), *other, apart);
            if (!done) return problem_of_erasure(done.error());
            std::string text;
            for (const auto& [id, profile] : *done)
              text += fmt::format("{}{{\"id\":{},\"profile_id\":{}}}", text.empty() ? "" : ",",
                                  json_quoted(id), json_quoted(profile));
            return Response::json(fmt::format("{{\"apart\":{},\"ids\":[{}]}}", apart, text));
          });
  route("GET", "/api/deletions", [&erasures](const Request&) { return answer(erasures.documents()); });
  route("GET", "/api/deletions/{number}", [&erasures](const Request& request) {
    const std::string& text = request.path_parameters.at("number");
    uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
      return Response::problem(404, "not found", fmt::format("`{}` is no number of a deletion", text));
    return answer(erasures.document(number));
  });
}

}  // namespace tidemark::cli
