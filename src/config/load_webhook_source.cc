#include "config/loading.h"
#include "config/report.h"

#include <algorithm>

namespace tidemark::config {

void load_webhook_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                         const Project& project, std::vector<WebhookSource>& webhooks) {
  MappingReader mapping(reader, node, "`webhook`");
  WebhookSource source;
  source.events.name = name;
  source.events.where = where;
  mapping.required_child("from");
  source.from = mapping.choice<WebhookSender>("from",
                                              {{"shopify", WebhookSender::shopify},
                                               {"klaviyo", WebhookSender::klaviyo},
                                               {"ga4", WebhookSender::ga4},
                                               {"standard", WebhookSender::standard}},
                                              WebhookSender::standard);
  read_write_keys(mapping, "secrets", source.events);
  source.events.table = mapping.text("table", name + "_webhooks");
  check_identifier(reader.report, mapping.where("table"), "a table", source.events.table);
  read_spool(mapping, project, source.events);
  mapping.finish();
  bool secret = std::any_of(source.events.write_keys.begin(), source.events.write_keys.end(),
                            [](const WriteKey& key) { return !key.key.empty(); });
  if (!secret)
    mapping.warning("secrets", "there is no secret, so whatever is sent here is refused",
                    "Set it, or leave it so when nothing is to be sent.");
  if (source.from == WebhookSender::ga4)
    for (const WebhookSource& other : webhooks)
      if (other.from == WebhookSender::ga4)
        reader.report.error(where, "the source `" + other.events.name + "` is one of `from: ga4`, too",
                            "Both would be at /mp/collect: put the secrets together in one.");
  webhooks.push_back(std::move(source));
}

Result<std::vector<WebhookSource>> load_webhook_sources(const std::filesystem::path& directory) {
  Report report(directory);
  Environment environment(false);
  Reader reader{report, environment};
  // Where spools lie by default follows from where the warehouse is.
  Project project;
  project.root = directory;
  project.warehouse.where = EmbeddedWarehouse{.data = directory / "data"};
  load_settings(reader, "tidemark.yaml", project);
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(directory / "sources", failure), end;
       !failure && entry != end; entry.increment(failure)) {
    std::string name = entry->path().filename().string(), extension = entry->path().extension().string();
    if ((extension == ".yaml" || extension == ".yml") && !name.starts_with('.'))
      files.push_back(std::filesystem::path("sources") / name);
  }
  std::sort(files.begin(), files.end());
  std::vector<WebhookSource> webhooks;
  for (const auto& file : files) load_source(reader, file, project, webhooks);
  auto errors = report.take_errors();
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return webhooks;
}

}  // namespace tidemark::config
