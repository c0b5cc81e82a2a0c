// tidemark link: a signed address of one dashboard, for people without a token; which were made, and taking
// one back.
#include "base/clock.h"
#include "cli/notification_verbs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "config/yaml_reader.h"
#include "notify/notification.h"
#include "serve/link_register.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

constexpr int64_t expires_seconds_max = 366 * 24 * 3'600;

struct Options {
  std::string dashboard;  // or what to do: list, revoke
  std::string id;         // of the link to revoke
  std::string expires = "7d", url;
  std::vector<std::string> filters, embed;
};

// "https://intranet.example.com:8443", and nothing that would end the header it goes into.
bool is_origin(const std::string& text) {
  size_t scheme = text.find("://");
  if (!text.starts_with("https://") && !text.starts_with("http://")) return false;
  std::string host = text.substr(scheme + 3);
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '.' || letter == '-' || letter == ':' || letter == '*';
  });
}

int64_t now_in_seconds() {
  return system_clock().wall_micros() / 1'000'000;
}

boost::json::object document_of(const serve::SharedLink& link) {
  boost::json::object filters;
  for (const auto& [name, values] : link.filters) filters[name] = boost::json::value_from(values);
  return {{"id", link.id},
          {"dashboard", link.dashboard},
          {"filters", std::move(filters)},
          {"expires_ms", link.expires_s * 1000}};
}

Result<ExitCode> list_links(const Invocation& invocation) {
  const int64_t now_s = now_in_seconds();
  const auto links = TRY(serve::LinkRegister(TRY(invocation.project_directory())).list(now_s));
  boost::json::array list;
  Table table({{"id"}, {"dashboard"}, {"filters"}, {"made"}, {"expires"}, {"state"}});
  for (const auto& one : links) {
    const char* state = one.revoked ? "revoked" : one.link.expires_s <= now_s ? "over" : "open";
    std::string filters;
    for (const auto& [name, values] : one.link.filters)
      for (const auto& value : values)
        filters += fmt::format("{}{}={}", filters.empty() ? "" : ", ", name, value);
    table.add({one.link.id, one.link.dashboard, filters, notify::iso_time(one.made_s * 1000),
               notify::iso_time(one.link.expires_s * 1000), state});
    boost::json::object document = document_of(one.link);
    document["made_ms"] = one.made_s * 1000;
    document["state"] = state;
    list.push_back(std::move(document));
  }
  if (invocation.json)
    print_out(boost::json::serialize(boost::json::object{{"links", std::move(list)}}) + "\n");
  else
    print_out(links.empty() ? "no link was made\n" : table.render(table_style()));
  return ExitCode::ok;
}

Result<ExitCode> revoke_link(const std::string& id, const Invocation& invocation) {
  if (id.empty())
    return fail(ErrorKind::usage, "which link is missing",
                "write tidemark link revoke <id>; `tidemark link list` shows them");
  TRY_VOID(serve::LinkRegister(TRY(invocation.project_directory())).revoke(id, now_in_seconds()));
  print_out(invocation.json
                ? boost::json::serialize(boost::json::object{{"id", id}, {"state", "revoked"}}) + "\n"
                : fmt::format("The link {} shows nothing any more.\n", id));
  return ExitCode::ok;
}

Result<ExitCode> make_link(const Options& options, const Invocation& invocation) {
  config::Project project = TRY(invocation.load_project());
  serve::SharedLink link;
  link.dashboard = options.dashboard;
  if (link.dashboard.starts_with("dashboards/")) link.dashboard.erase(0, 11);
  std::vector<std::string> names;
  const config::Dashboard* found = nullptr;
  for (const auto& dashboard : project.dashboards) {
    names.push_back(dashboard.name);
    if (dashboard.name == link.dashboard) found = &dashboard;
  }
  if (found == nullptr)
    return fail(ErrorKind::usage, fmt::format("there is no dashboard {}{}", link.dashboard,
                                              config::did_you_mean(link.dashboard, names)));
  for (const auto& filter : options.filters) {
    size_t equals = filter.find('=');
    if (equals == std::string::npos)
      return fail(ErrorKind::usage, fmt::format("`{}` is no filter", filter), "write --filter country=Italy");
    link.filters[filter.substr(0, equals)].push_back(filter.substr(equals + 1));
  }
  auto lasts = config::parse_duration_seconds(options.expires);
  if (!lasts || *lasts < 1 || *lasts > expires_seconds_max)
    return fail(ErrorKind::usage, fmt::format("`{}` is no time that a link can last", options.expires),
                "write 30m, 12h, 7d; at most 366d");
  const int64_t now_s = now_in_seconds();
  link.expires_s = now_s + *lasts;
  for (const auto& origin : options.embed)
    if (!is_origin(origin))
      return fail(ErrorKind::usage, fmt::format("`{}` is no origin", origin),
                  "write --embed https://intranet.example.com");
  link.embed = options.embed;
  TRY_VOID(link.fits(*found));
  std::string host = project.http.host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  std::string base = options.url.empty() ? fmt::format("http://{}:{}", host, project.http.port) : options.url;
  while (base.ends_with('/')) base.pop_back();
  link.id = TRY(serve::new_link_id());
  TRY_VOID(serve::LinkRegister(project.root).add(link, now_s));
  std::string address = base + "/shared/" + TRY(serve::LinkKey::open(project.root)).sign(link);
  if (!invocation.json) {
    print_out(address + "\n");
    return ExitCode::ok;
  }
  boost::json::object document = document_of(link);
  document["link"] = address;
  print_out(boost::json::serialize(document) + "\n");
  return ExitCode::ok;
}

}  // namespace

Run add_link(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command
      .add_option("dashboard", options->dashboard,
                  "dashboards/<name>, or its name; `list`: what was made; `revoke <id>`: takes one back")
      ->required();
  command.add_option("id", options->id, "of the link to revoke");
  command.add_option("--expires", options->expires, "how long it lasts: 30m, 12h, 7d")->capture_default_str();
  command.add_option("--filter", options->filters,
                     "a value that its holder cannot change: country=Italy; several");
  command.add_option("--embed", options->embed, "an origin whose pages may show it in a frame; several");
  command.add_option("--url", options->url, "how others reach the page; default: http.listen");
  return [=](const Invocation& invocation) -> Result<ExitCode> {
    // A dashboard of such a name is called dashboards/list.
    if (options->dashboard == "revoke") return revoke_link(options->id, invocation);
    if (!options->id.empty())
      return fail(ErrorKind::usage, fmt::format("`{}` means nothing here", options->id),
                  "write one dashboard, `list`, or `revoke <id>`");
    return options->dashboard == "list" ? list_links(invocation) : make_link(*options, invocation);
  };
}

}  // namespace tidemark::cli
