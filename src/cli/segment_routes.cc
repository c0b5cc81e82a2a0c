#include "cli/segment_routes.h"

#include "base/clock.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/segment_outbox.h"
#include "segments/canonical.h"
#include "segments/inquiry.h"
#include "segments/manual_lists.h"
#include "segments/preview.h"
#include "segments/profile_entities.h"
#include "segments/property_reader.h"
#include "segments/stored_definitions.h"

#include <boost/json.hpp>
#include <charconv>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using segments::Definition;
using segments::SegmentFiles;

// Rows of one answer: what a person scrolls through, and a page of an export.
constexpr size_t rows_default = 1'000;
constexpr size_t rows_max = 1'000'000;
constexpr size_t sample_default = 10;
constexpr size_t flow_days = 90;  // a quarter, a day a bar
// Keys of one change of a list that are evaluated one by one; beyond it everybody is.
constexpr size_t keys_max = 100'000;

Response answer(const json::object& object) {
  return Response::json(json::serialize(object));
}

Response mistakes(const std::vector<config::Diagnostic>& errors) {
  json::array list;
  for (const auto& error : errors)
    list.push_back(json::object{
        {"where", error.where.describe()}, {"message", error.message}, {"remedy", error.remedy}});
  Response response = Response::json(json::serialize(json::object{{"title", "bad definition"},
                                                                  {"status", 400},
                                                                  {"detail", config::render(errors)},
                                                                  {"errors", std::move(list)}}),
                                     400);
  return response;
}

Response no_segment(const std::string& name, const SegmentFiles& files) {
  return Response::problem(
      404, "not found",
      fmt::format("there is no segment `{}`{}", name, config::did_you_mean(name, files.names())),
      "GET /api/segments lists them");
}

Response problem_of(const Error& error) {
  if (error.kind == ErrorKind::config || error.kind == ErrorKind::usage)
    return Response::problem(400, "bad request", error.message, error.remedy);
  return Response::problem(error);
}

Result<size_t> limit_of(const Request& request, size_t otherwise, size_t most) {
  auto text = request.query_value("limit");
  if (!text) return otherwise;
  size_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value == 0)
    return fail(ErrorKind::usage, fmt::format("limit is no number: `{}`", *text));
  return std::min(value, most);
}

Result<std::optional<int64_t>> instant_of(clickhouse::Client& client, const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  auto moment = segments::parse_moment(text);
  if (!moment)
    return fail(ErrorKind::usage, fmt::format("`{}` is no moment", text),
                "write 2026-05-03 or 2026-05-03T14:30:00Z (UTC)");
  auto micros =
      TRY(client.query_text("SELECT toUnixTimestamp64Micro(toDateTime64({at:String}, 6, 'UTC')) FORMAT TSV",
                            {.parameters = {{"at", moment->text}}}));
  return std::optional<int64_t>(std::stoll(micros));
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (char character : text) quoted += character == '"' ? "\"\"" : std::string(1, character);
  return quoted + "\"";
}

class Desk {
 public:
  Desk(LiveSegments& segments, clickhouse::ClientPool& pool, const config::Project& project)
      : segments_(segments), pool_(pool), project_(project) {}

  Response list() {
    SegmentFiles files = segments_.definitions();
    std::map<std::string, segments::SegmentCounts> counts;
    for (auto& count : segments_.counts()) counts[count.segment] = count;
    json::array all;
    for (const auto& definition : files.definitions) {
      json::object entry = described(definition, files);
      const auto& count = counts[definition.name];
      entry["members"] = count.members;
      entry["entered"] = count.entered;
      entry["exited"] = count.exited;
      all.push_back(std::move(entry));
    }
    for (const auto& refused : files.refused)
      all.push_back(json::object{{"segment", refused.segment},
                                 {"state", "refused"},
                                 {"origin", refused.origin},
                                 {"reason", refused.reason}});
    return answer({{"segments", std::move(all)}});
  }

  Response show(const std::string& name) {
    SegmentFiles files = segments_.definitions();
    const Definition* definition = files.find(name);
    if (definition == nullptr) return no_segment(name, files);
    json::object entry = described(*definition, files);
    entry["definition"] = json::parse(segments::canonical_text(*definition));
    if (const auto* origin = files.origin(name); origin == nullptr || *origin != "api") return answer(entry);
    // As it was written, to be changed: the other form has lost what does not decide who is a member.
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      for (auto& saved : TRY(segments::SavedDefinitions(client).all()))
        if (saved.name == name) entry["saved"] = std::move(saved.text);
      return answer(entry);
    });
  }

  Response members(const std::string& name, const Request& request) {
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      auto at = TRY(instant_of(client, request.query_value("at").value_or("")));
      auto rows = TRY(segments::members(client, name, at, TRY(limit_of(request, rows_default, rows_max))));
      if (request.query_value("format").value_or("json") != "csv")
        return answer({{"segment", name}, {"members", std::move(rows)}});
      std::string text = "entity,entered_at,cause\n";
      for (const auto& row : rows) {
        const auto& object = row.as_object();
        text += fmt::format("{},{},{}\n", csv_field(object.at("entity").as_string()),
                            csv_field(object.at("entered_at").as_string()),
                            csv_field(object.at("cause").as_string()));
      }
      return Response::text(std::move(text), "text/csv; charset=utf-8");
    });
  }

  Response history(const std::string& name, const Request& request) {
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      return answer(
          {{"segment", name},
           {"changes", TRY(segments::history(client, name, request.query_value("entity").value_or(""),
                                             TRY(limit_of(request, rows_default, rows_max))))}});
    });
  }

  Response flows(const std::string& name) {
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      return answer({{"segment", name}, {"days", TRY(segments::flows(client, name, flow_days))}});
    });
  }

  Response explain(const std::string& name, const Request& request) {
    SegmentFiles files = segments_.definitions();
    const Definition* definition = files.find(name);
    if (definition == nullptr) return no_segment(name, files);
    auto entity = request.query_value("entity");
    if (!entity) return Response::problem(400, "bad request", "of whom? `entity` is missing", "?entity=42");
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      auto options = segments::compile_options(files, TRY(event_tables(client, project_)), "UTC");
      return answer(
          TRY(segments::explain(client, *definition, options, *entity, system_clock().wall_micros())));
    });
  }

  Response preview(const std::string& name, const Request& request) {
    return with_draft(
        name, request,
        [&](clickhouse::Client& client, const Definition& draft, SegmentFiles& files,
            const Definition* present) -> Result<Response> {
          auto options = segments::compile_options(files, TRY(event_tables(client, project_)), "UTC");
          auto found = TRY(segments::preview(client, draft, present, options, system_clock().wall_micros(),
                                             TRY(limit_of(request, sample_default, 100))));
          json::object shown{{"segment", name},
                             {"version", segments::fingerprint(draft)},
                             {"entities", found.entities},
                             {"members", found.members},
                             {"sample", json::value_from(found.sample)}};
          if (found.difference)
            shown["difference"] = json::object{{"enter", found.difference->enter},
                                               {"leave", found.difference->leave},
                                               {"entering", json::value_from(found.difference->entering)},
                                               {"leaving", json::value_from(found.difference->leaving)}};
          return answer(shown);
        });
  }

  Response save(const std::string& name, const Request& request) {
    return with_draft(
        name, request,
        [&](clickhouse::Client& client, const Definition& draft, SegmentFiles& files,
            const Definition*) -> Result<Response> {
          if (const auto* other = files.find(name); other != nullptr && files.origin(name) == nullptr)
            return Response::problem(
                409, "conflict",
                fmt::format("the segment `{}` is declared in {}", name, other->where.describe()),
                "change the file, or save this one under another name");
          if (const auto* origin = files.origin(name); origin != nullptr && *origin != "api")
            return Response::problem(409, "conflict",
                                     fmt::format("the segment `{}` is a row of {}", name, *origin),
                                     "change the row, or save this one under another name");
          TRY_VOID(segments::SavedDefinitions(client).save(name, request.body));
          TRY_VOID(segments_.reload());
          for (const auto& refused : segments_.definitions().refused)
            if (refused.segment == name)
              return Response::problem(409, "conflict",
                                       "the definition is saved and not in force: " + refused.reason);
          json::object saved{{"segment", name}, {"version", segments::fingerprint(draft)}};
          for (const auto& count : segments_.counts())
            if (count.segment == name) saved["members"] = count.members;
          return answer(saved);
        });
  }

  Response remove(const std::string& name) {
    SegmentFiles files = segments_.definitions();
    bool refused_one = std::any_of(files.refused.begin(), files.refused.end(), [&](const auto& one) {
      return one.segment == name && one.origin == "api";
    });
    const auto* origin = files.origin(name);
    if (!refused_one && files.find(name) == nullptr) return no_segment(name, files);
    if (!refused_one && (origin == nullptr || *origin != "api"))
      return Response::problem(409, "conflict",
                               fmt::format("the segment `{}` was not saved here but in {}", name,
                                           origin == nullptr ? files.find(name)->where.describe() : *origin),
                               "delete it there");
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      TRY_VOID(segments::SavedDefinitions(client).remove(name));
      TRY_VOID(segments_.reload());
      return answer({{"deleted", name}});
    });
  }

  Response show_list(const std::string& name) {
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      segments::ManualLists lists(client);
      TRY_VOID(lists.create());
      return answer({{"list", name}, {"keys", json::value_from(TRY(lists.keys(name)))}});
    });
  }

  // `action`: append, remove, replace or clear. Whom the change is about moves at once.
  Response change_list(const std::string& name, const std::string& action, const Request& request) {
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      size_t columns = 1;
      if (auto text = request.query_value("columns")) columns = static_cast<size_t>(std::atoi(text->c_str()));
      auto keys = TRY(segments::keys_of_csv(request.body, std::clamp<size_t>(columns, 1, 16),
                                            request.query_value("header").value_or("") == "true"));
      segments::ManualLists lists(client);
      TRY_VOID(lists.create());
      std::vector<std::string> concerned = keys;
      if (action == "append") {
        TRY_VOID(lists.append(name, keys));
      } else if (action == "remove") {
        TRY_VOID(lists.remove(name, keys));
      } else {
        for (auto& key : TRY(lists.keys(name))) concerned.push_back(std::move(key));
        TRY_VOID(action == "clear" ? lists.clear(name) : lists.replace(name, keys));
      }
      TRY_VOID(
          segments_.list_changed(name, concerned.size() > keys_max ? std::vector<std::string>() : concerned));
      return answer({{"list", name}, {"keys", TRY(lists.keys(name)).size()}});
    });
  }

 private:
  json::object described(const Definition& definition, const SegmentFiles& files) const {
    const auto* origin = files.origin(definition.name);
    return {{"segment", definition.name},
            {"state", "live"},
            {"entity", definition.entity},
            {"version", segments::fingerprint(definition)},
            {"origin", origin != nullptr ? *origin : definition.where.file.string()},
            {"description", definition.description},
            {"notify", json::value_from(definition.notify)}};
  }

  Response with_client(const std::function<Result<Response>(clickhouse::Client&)>& ask) {
    auto client = pool_.lease();
    auto response = ask(*client);
    return response ? std::move(*response) : problem_of(response.error());
  }

  // A definition in the body that everything is right with, as far as one can tell beforehand.
  Response with_draft(const std::string& name, const Request& request,
                      const std::function<Result<Response>(clickhouse::Client&, const Definition&,
                                                           SegmentFiles&, const Definition*)>& use) {
    config::Report report(project_.root);
    auto draft = segments::read_saved(report, name, request.body);
    if (!draft) return mistakes(report.take_errors());
    segments::name_mirrors(project_, *draft);
    segments::know_profiles(*draft, profiles::load_profiles(project_.root, true));
    return with_client([&](clickhouse::Client& client) -> Result<Response> {
      auto unknown = unknown_destinations({*draft}, TRY(config::load_destinations(project_.root)));
      if (!unknown.empty()) return mistakes(unknown);
      SegmentFiles present = segments_.definitions();
      SegmentFiles after = present;
      std::erase_if(after.definitions, [&](const auto& one) { return one.name == name; });
      after.definitions.push_back(*draft);
      auto options = segments::compile_options(after, TRY(event_tables(client, project_)), "UTC");
      auto wrong = TRY(segments::check_segments(client, {&after.definitions.back()}, options));
      if (!wrong.empty()) return mistakes(wrong);
      return use(client, *draft, present, present.find(name));
    });
  }

  LiveSegments& segments_;
  clickhouse::ClientPool& pool_;
  const config::Project& project_;
};

}  // namespace

void add_segment_routes(http::Server& server, LiveSegments& segments, clickhouse::ClientPool& pool,
                        const config::Project& project, std::shared_ptr<const serve::Access> access) {
  auto desk = std::make_shared<Desk>(segments, pool, project);
  using Action = std::function<Response(const std::string& name, const Request&)>;
  auto look = [&](const char* pattern, Action action) {
    server.route("GET", pattern, [action](const Request& request) {
      return action(request.path_parameters.at("name"), request);
    });
  };
  auto change = [&](const char* method, const char* pattern, Action action) {
    server.route(method, pattern, [action, access](const Request& request) {
      if (auto refused = access->refuse(request, "segments:write")) return *refused;
      return action(request.path_parameters.at("name"), request);
    });
  };
  server.route("GET", "/api/segments", [desk](const Request&) { return desk->list(); });
  look("/api/segments/{name}", [desk](const auto& name, const Request&) { return desk->show(name); });
  look("/api/segments/{name}/members",
       [desk](const auto& name, const Request& request) { return desk->members(name, request); });
  look("/api/segments/{name}/history",
       [desk](const auto& name, const Request& request) { return desk->history(name, request); });
  look("/api/segments/{name}/flows", [desk](const auto& name, const Request&) { return desk->flows(name); });
  look("/api/segments/{name}/explain",
       [desk](const auto& name, const Request& request) { return desk->explain(name, request); });
  for (const char* method : {"PUT", "POST"})
    change(method, "/api/segments/{name}",
           [desk](const auto& name, const Request& request) { return desk->save(name, request); });
  change("POST", "/api/segments/{name}/preview",
         [desk](const auto& name, const Request& request) { return desk->preview(name, request); });
  change("DELETE", "/api/segments/{name}",
         [desk](const auto& name, const Request&) { return desk->remove(name); });
  change("POST", "/api/segments/{name}/delete",
         [desk](const auto& name, const Request&) { return desk->remove(name); });
  look("/api/lists/{name}", [desk](const auto& name, const Request&) { return desk->show_list(name); });
  for (const char* action : {"append", "remove", "replace", "clear"})
    change("POST", fmt::format("/api/lists/{{name}}/{}", action).c_str(),
           [desk, action](const auto& name, const Request& request) {
             return desk->change_list(name, action, request);
           });
}

}  // namespace tidemark::cli
