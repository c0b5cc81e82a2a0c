#include "serve/shared_routes.h"

#include "base/clock.h"
#include "http/security_policy.h"
#include "serve/documents.h"
#include "serve/link_register.h"
#include "serve/page.h"
#include "serve/shared_link.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <fmt/ranges.h>

namespace tidemark::serve {
namespace {

using http::Request;
using http::Response;

int64_t now_in_seconds() {
  return system_clock().wall_micros() / 1'000'000;
}

// The stream of a dashboard without what it says of the whole project, until the link's time is over or it
// is taken back.
class SharedStream : public http::EventStream {
 public:
  SharedStream(std::shared_ptr<http::EventStream> stream, const SharedLink& link,
               std::shared_ptr<const LinkRegister> links)
      : stream_(std::move(stream)), id_(link.id), expires_s_(link.expires_s), links_(std::move(links)) {}

  bool send(const http::Event& event, std::string_view key) override {
    if (ended()) return false;
    return key == "status" ? !stream_->closed() : stream_->send(event, key);
  }
  bool send_together(const std::vector<std::pair<http::Event, std::string>>& events) override {
    if (ended()) return false;
    std::vector<std::pair<http::Event, std::string>> shown;
    for (const auto& one : events)
      if (one.second != "status") shown.push_back(one);
    return shown.empty() ? !stream_->closed() : stream_->send_together(shown);
  }
  bool closed() const override { return stream_->closed(); }
  void close() override { stream_->close(); }
  void on_close(std::function<void()> listener) override { stream_->on_close(std::move(listener)); }

 private:
  bool ended() {
    // The disk is asked a few times a second at most, however many events there are.
    const int64_t tick = system_clock().monotonic_micros() / 250'000;
    const bool look = looked_at_.exchange(tick) != tick;
    if (now_in_seconds() < expires_s_ && !(look && links_->is_revoked(id_))) return false;
    stream_->close();
    return true;
  }
  std::shared_ptr<http::EventStream> stream_;
  const std::string id_;
  const int64_t expires_s_;
  std::shared_ptr<const LinkRegister> links_;
  std::atomic<int64_t> looked_at_{0};
};

class SharedDashboards {
 public:
  SharedDashboards(std::filesystem::path directory, const std::vector<config::Dashboard>& dashboards,
                   DashboardHandlers handlers)
      : directory_(std::move(directory)),
        links_(std::make_shared<const LinkRegister>(directory_)),
        dashboards_(dashboards),
        handlers_(std::move(handlers)) {}

  struct Admitted {
    SharedLink link;
    const config::Dashboard* dashboard = nullptr;
    Request request;  // as the dashboard's own handlers take it
  };
  tl::expected<Admitted, Response> admit(const Request& request) const {
    // Read each time: who deletes the key takes the links back at once.
    auto key = LinkKey::open(directory_);
    if (!key) return tl::unexpected(Response::problem(key.error()));
    auto link = key->verify(request.path_parameters.at("token"), now_in_seconds());
    if (!link) return tl::unexpected(refused(link.error()));
    if (links_->is_revoked(link->id))
      return tl::unexpected(
          Response::problem(410, "gone", "this link was taken back", "ask whoever sent it for a new one"));
    Admitted admitted{.link = std::move(*link), .request = request};
    for (const auto& dashboard : dashboards_)
      if (dashboard.name == admitted.link.dashboard) admitted.dashboard = &dashboard;
    if (admitted.dashboard == nullptr)
      return tl::unexpected(Response::problem(404, "not found", "the dashboard of this link is gone"));
    // Somebody may have changed it since.
    if (Status fits = admitted.link.fits(*admitted.dashboard); !fits)
      return tl::unexpected(Response::problem(403, "not allowed", fits.error().message, fits.error().remedy));
    for (const auto& [name, value] : request.query)
      if (admitted.link.filters.contains(name))
        return tl::unexpected(Response::problem(403, "not allowed",
                                                fmt::format("the link says what {} is", name),
                                                "leave it out of the request"));
    for (const auto& [name, values] : admitted.link.filters)
      for (const auto& value : values) admitted.request.query.emplace_back(name, value);
    admitted.request.path_parameters["name"] = admitted.link.dashboard;
    return admitted;
  }

  Response page(const Request& request) const {
    Response response = page_file(request, "index.html");
    auto admitted = admit(request);
    if (admitted && !admitted->link.embed.empty())
      response.headers.emplace_back(
          "Content-Security-Policy",
          http::content_security_policy(fmt::format("'self' {}", fmt::join(admitted->link.embed, " "))));
    return response;
  }

  Response document(const Request& request) const {
    auto admitted = admit(request);
    if (!admitted) return admitted.error();
    boost::json::object shown = boost::json::parse(dashboard_document(*admitted->dashboard)).as_object();
    for (auto& tile : shown.at("tiles").as_array()) {
      tile.as_object()["query"] = "";
      tile.as_object().erase("drill");
    }
    boost::json::array open;
    for (auto& filter : shown.at("filters").as_array()) {
      const std::string name(filter.as_object().at("name").as_string());
      if (admitted->link.filters.contains(name)) continue;
      if (!admitted->link.filters.empty()) filter.as_object()["options"] = false;
      open.push_back(std::move(filter));
    }
    shown["filters"] = std::move(open);
    boost::json::object fixed;
    for (const auto& [name, values] : admitted->link.filters) fixed[name] = boost::json::value_from(values);
    Response response = Response::json(
        boost::json::serialize(boost::json::object{{"dashboard", std::move(shown)},
                                                   {"fixed", std::move(fixed)},
                                                   {"expires_ms", admitted->link.expires_s * 1000}}));
    response.headers.emplace_back("Cache-Control", "no-store");
    return response;
  }

  // The values that other filters offer are of all rows: with a fixed filter they are not for everybody.
  Response filters(const Request& request) const {
    auto admitted = admit(request);
    if (!admitted) return admitted.error();
    if (!admitted->link.filters.empty()) return Response::json("{\"filters\":[]}");
    return handlers_.filters(admitted->request);
  }
  Response tile(const Request& request) const {
    auto admitted = admit(request);
    return admitted ? handlers_.tile(admitted->request) : admitted.error();
  }
  std::optional<Response> live(const Request& request, std::shared_ptr<http::EventStream> stream) const {
    auto admitted = admit(request);
    if (!admitted) return admitted.error();
    return handlers_.live(admitted->request,
                          std::make_shared<SharedStream>(std::move(stream), admitted->link, links_));
  }

 private:
  static Response refused(const Error& error) {
    bool over = error.kind == ErrorKind::limit;
    return Response::problem(over ? 410 : 403, over ? "gone" : "not allowed", error.message, error.remedy);
  }
  const std::filesystem::path directory_;
  const std::shared_ptr<const LinkRegister> links_;
  const std::vector<config::Dashboard>& dashboards_;
  const DashboardHandlers handlers_;
};

}  // namespace

void add_shared_routes(http::Server& server, const std::filesystem::path& project_directory,
                       const std::vector<config::Dashboard>& dashboards, DashboardHandlers handlers) {
  auto shared = std::make_shared<const SharedDashboards>(project_directory, dashboards, std::move(handlers));
  server.route("GET", "/shared/{token}", [shared](const Request& request) { return shared->page(request); });
  server.route("GET", "/api/shared/{token}",
               [shared](const Request& request) { return shared->document(request); });
  server.route("GET", "/api/shared/{token}/filters",
               [shared](const Request& request) { return shared->filters(request); });
  server.route("GET", "/api/shared/{token}/tiles/{tile}",
               [shared](const Request& request) { return shared->tile(request); });
  server.stream("/api/shared/{token}/live",
                [shared](const Request& request, std::shared_ptr<http::EventStream> stream) {
                  return shared->live(request, std::move(stream));
                });
}

}  // namespace tidemark::serve
