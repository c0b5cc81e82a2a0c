#include "cli/people_routes.h"

#include "clickhouse/schema.h"
#include "profiles/profile_export.h"
#include "profiles/profile_files.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

using clickhouse::quote_identifier;
using http::Request;
using http::Response;

constexpr size_t people_default = 50, people_max = 1'000;   // what a person scrolls through
constexpr size_t events_default = 200, events_max = 5'000;  // of a timeline

Result<size_t> number_of(const Request& request, const char* name, size_t otherwise, size_t most) {
  auto text = request.query_value(name);
  if (!text) return otherwise;
  size_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value == 0)
    return fail(ErrorKind::usage, fmt::format("{} is no number: `{}`", name, *text));
  return std::min(value, most);
}

Response problem_of_people(const Error& error) {
  if (error.kind == ErrorKind::usage)
    return Response::problem(400, "bad request", error.message, error.remedy);
  return Response::problem(error);
}

// Who was seen last; with `like` whose ids contain it.
Result<std::string> people(clickhouse::Client& client, const profiles::Definition& definition,
                           const Request& request) {
  size_t most = TRY(number_of(request, "limit", people_default, people_max));
  std::string like = request.query_value("like").value_or("");
  std::string table = clickhouse::quote_table(definition.database, definition.table);
  std::string which;
  if (!like.empty())
    which = fmt::format(
        "WHERE profile_id IN (SELECT profile_id FROM bronze.{} WHERE positionCaseInsensitiveUTF8(value, "
        "{{like:String}}) > 0 OR profile_id = {{like:String}}) ",
        quote_identifier(definition.slug() + "_ids__current"));
  clickhouse::QueryOptions options;
  options.settings = {{"output_format_json_array_of_rows", "1"}};
  options.parameters = {{"like", like}};
  std::string rows = TRY(client.query_text(
      fmt::format("SELECT * FROM {} {}ORDER BY last_seen DESC, profile_id LIMIT {} FORMAT JSONEachRow", table,
                  which, most),
      options));
  while (!rows.empty() && (rows.back() == '\n' || rows.back() == ' ')) rows.pop_back();
  return fmt::format("{{\"profiles\":\"{}\",\"people\":{}}}", definition.name(), rows.empty() ? "[]" : rows);
}

// As an export, but of what was done the newest only.
Result<std::string> person(clickhouse::Client& client, const profiles::Definition& definition,
                           const std::string& profile, const Request& request) {
  size_t events = TRY(number_of(request, "events", events_default, events_max));
  auto parts = TRY(profiles::export_parts(client, definition, {}));
  parts.push_back({"events", fmt::format("SELECT timestamp, type, event, identity, source, properties, "
                                         "traits, message_id FROM bronze.{} WHERE profile_id = "
                                         "{{profile:String}} ORDER BY timestamp DESC, message_id LIMIT {}",
                                         quote_identifier(definition.slug() + "_events__current"), events)});
  return profiles::export_profile(client, definition, profile, parts);
}

}  // namespace

void add_people_routes(http::Server& server, clickhouse::ClientPool& pool, const config::Project& project) {
  using Ask =
      std::function<Result<std::string>(clickhouse::Client&, const profiles::Definition&, const Request&)>;
  auto route = [&](const char* pattern, Ask ask) {
    server.route("GET", pattern, [&pool, &project, ask](const Request& request) {
      profiles::ProfileFiles files = profiles::load_profiles(project.root, true);
      const std::string& name = request.path_parameters.at("profiles");
      const auto* definition = files.find(name);
      if (definition == nullptr)
        return Response::problem(404, "not found", fmt::format("there are no profiles `{}`", name),
                                 "GET /api/project names them");
      auto document = ask(*pool.lease(), *definition, request);
      if (!document) return problem_of_people(document.error());
      if (document->empty())
        return Response::problem(404, "not found", "nobody is known by this id",
                                 "an id with its kind, like user_id:42, or a profile_id");
      return Response::json(std::move(*document));
    });
  };
  route("/api/profiles/{profiles}", people);
  route("/api/profiles/{profiles}/{id}",
        [](clickhouse::Client& client, const profiles::Definition& definition,
           const Request& request) -> Result<std::string> {
          std::string profile =
              TRY(profiles::find_profile(client, definition, request.path_parameters.at("id")));
          if (profile.empty()) return std::string();
          return person(client, definition, profile, request);
        });
}

}  // namespace tidemark::cli
