#include "config/destination_reader.h"
#include "config/loading.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace tidemark::config {
namespace {

// Parcels under way at once: each has a thread and a connection here, and one at the receiver.
constexpr int64_t concurrency_max = 64;
constexpr size_t webhook_concurrency = 8;
// Notifications in one request, one mail, one transaction.
constexpr int64_t batch_max = 1'000;
constexpr size_t bulk_batch = 500;  // what goes to a file, a broker, a database
constexpr size_t slack_batch = 20;  // lines of one message
constexpr int64_t batch_wait_seconds_max = 24 * 3'600;
constexpr int64_t timeout_seconds_max = 60;
// Standard Webhooks: 24 to 64 bytes, in base64.
constexpr size_t secret_bytes_min = 24;
constexpr size_t secret_bytes_max = 64;
constexpr size_t topic_bytes_max = 249;
constexpr size_t header_bytes_max = 8 << 10;

const std::vector<std::string> kinds = {"webhook", "slack", "kafka", "postgres", "file", "smtp", "sse"};
// What Tidemark says itself, or what belongs to the connection.
const std::set<std::string> own_headers = {"webhook-id",   "webhook-timestamp", "webhook-signature",
                                           "content-type", "content-length",    "host",
                                           "connection",   "transfer-encoding", "expect"};
const std::set<std::string> own_settings_of_destinations = {"bootstrap.servers", "transactional.id",
                                                            "enable.idempotence", "acks", "partitioner"};

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// "https://hooks.example.com:8443" of a URL that may have secrets in its user, path and query; empty when it
// is no URL of these schemes.
std::string shown_url(const std::string& url, const std::vector<std::string>& schemes) {
  for (const auto& scheme : schemes) {
    std::string head = scheme + "://";
    if (!url.starts_with(head)) continue;
    std::string rest = url.substr(head.size(), url.find_first_of("/?#", head.size()) - head.size());
    size_t user = rest.rfind('@');
    if (user != std::string::npos) rest = rest.substr(user + 1);
    bool fits = !rest.empty() && std::all_of(rest.begin(), rest.end(), [](char c) {
      return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    });
    return fits ? head + rest : "";
  }
  return "";
}

Secret read_url(MappingReader& mapping, std::string& shown) {
  auto url = mapping.optional_text("url");
  if (!mapping.has("url")) mapping.required_text("url");
  if (!url) return {};
  shown = shown_url(*url, {"https", "http"});
  // The value is not quoted: it may be a secret.
  if (shown.empty() || url->find_first_of(" \t\r\n") != std::string::npos)
    mapping.error("url", "`url` is no http or https URL", "For example: https://example.com/hooks");
  return Secret(*url);
}

AllowedPrivate read_allowed(MappingReader& mapping) {
  AllowedPrivate allowed;
  const YamlNode* node = mapping.child("allow_private");
  if (node == nullptr) return allowed;
  if (node->kind == YamlNode::Kind::scalar && (node->text == "true" || node->text == "false")) {
    allowed.all = mapping.boolean("allow_private");
    return allowed;
  }
  for (const auto& text : mapping.texts("allow_private")) {
    auto network = parse_network(text);
    if (network)
      allowed.networks.push_back(*network);
    else
      mapping.error("allow_private", network.error().message,
                    network.error().remedy + " true allows every address.");
  }
  return allowed;
}

bool is_webhook_secret(std::string_view text) {
  if (!text.starts_with("whsec_")) return false;
  text.remove_prefix(6);
  size_t padding = 0;
  while (!text.empty() && text.back() == '=' && padding < 3) {
    text.remove_suffix(1);
    ++padding;
  }
  size_t bytes = text.size() * 3 / 4;
  return padding <= 2 && text.size() % 4 != 1 && bytes >= secret_bytes_min && bytes <= secret_bytes_max &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '+' || c == '/'; });
}

void read_headers(MappingReader& mapping, WebhookDestination& webhook) {
  const YamlNode* headers = mapping.child("headers");
  if (headers == nullptr) return;
  if (headers->kind != YamlNode::Kind::mapping) {
    mapping.error("headers", fmt::format("`headers` is {}; it takes names and values", headers->describe()),
                  "headers: { X-Api-Key: \"${env:API_KEY}\" }");
    return;
  }
  Report& report = mapping.reader().report;
  for (const auto& pair : headers->pairs) {
    std::string lower = pair.key;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    bool name = !lower.empty() && std::all_of(lower.begin(), lower.end(), [](char c) {
      return is_letter_or_digit(c) || c == '-' || c == '_';
    });
    if (!name)
      report.error(pair.key_where, fmt::format("`{}` is no name of a header", pair.key),
                   "Use letters, digits, - and _.");
    else if (own_headers.contains(lower))
      report.error(pair.key_where, fmt::format("the header `{}` is not for a project to set", pair.key),
                   "Leave it out.");
    else if (auto text = mapping.item_text(pair.value, pair.key)) {
      if (text->find_first_of("\r\n") != std::string::npos || text->size() > header_bytes_max)
        report.error(pair.value.where, fmt::format("the value of `{}` has line breaks or more than {} bytes",
                                                   pair.key, header_bytes_max));
      webhook.headers.emplace_back(pair.key, Secret(*text));
    }
  }
}

TextTemplate read_template(MappingReader& mapping, const std::string& key, const char* otherwise) {
  auto parsed = parse_text_template(mapping.text(key, otherwise));
  if (parsed) return std::move(*parsed);
  mapping.error(key, parsed.error().message, parsed.error().remedy);
  return {};
}

WebhookDestination read_webhook(MappingReader& mapping) {
  WebhookDestination webhook;
  webhook.url = read_url(mapping, webhook.shown);
  if (mapping.has("secret") && mapping.has("secrets"))
    mapping.error("secret", "`secret` and `secrets` are both there", "Keep `secrets`, with all of them.");
  std::vector<std::string> secrets = mapping.texts("secrets");
  if (auto secret = mapping.optional_text("secret")) secrets.push_back(*secret);
  for (const auto& secret : secrets) {
    if (!is_webhook_secret(secret))
      mapping.error(mapping.has("secrets") ? "secrets" : "secret",
                    "a secret is whsec_ and 24 to 64 bytes in base64 behind it",
                    "Make one: echo whsec_$(openssl rand -base64 32)");
    webhook.secrets.emplace_back(secret);
  }
  read_headers(mapping, webhook);
  webhook.allow_private = read_allowed(mapping);
  if (auto timeout = mapping.duration_seconds("timeout")) {
    if (*timeout < 1 || *timeout > timeout_seconds_max)
      mapping.error("timeout", fmt::format("`timeout` is between 1s and {}s", timeout_seconds_max));
    webhook.timeout_seconds = *timeout;
  }
  return webhook;
}

SlackDestination read_slack(MappingReader& mapping) {
  SlackDestination slack;
  slack.url = read_url(mapping, slack.shown);
  slack.text = read_template(mapping, "text", "{type}: {entity} ({subject})");
  slack.allow_private = read_allowed(mapping);
  return slack;
}

KafkaDestination read_kafka(MappingReader& mapping) {
  KafkaDestination kafka;
  kafka.brokers = mapping.required_text("brokers");
  kafka.topic = mapping.required_text("topic");
  bool fits = kafka.topic.size() <= topic_bytes_max && kafka.topic != "." && kafka.topic != ".." &&
              std::all_of(kafka.topic.begin(), kafka.topic.end(),
                          [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
  if (!fits)
    mapping.error("topic", fmt::format("`{}` cannot be the name of a topic", kafka.topic),
                  fmt::format("Use letters, digits, . _ and -, at most {} of them.", topic_bytes_max));
  if (const YamlNode* settings = mapping.child("settings"))
    for (const auto& pair : settings->pairs) {
      if (own_settings_of_destinations.contains(pair.key))
        mapping.reader().report.error(
            pair.key_where, fmt::format("`{}` is not for a project to set", pair.key), "Leave it out.");
      else if (auto text = mapping.item_text(pair.value, pair.key))
        kafka.settings[pair.key] = Secret(*text);
    }
  return kafka;
}

PostgresDestination read_postgres(MappingReader& mapping) {
  PostgresDestination postgres;
  if (auto url = mapping.optional_text("url"))
    postgres.url = Secret(*url);
  else if (!mapping.has("url"))
    mapping.required_text("url");
  postgres.table = mapping.required_text("table");
  size_t dot = postgres.table.find('.');
  if (!postgres.table.empty()) {
    if (dot != std::string::npos)
      check_identifier(mapping.reader().report, mapping.where("table"), "a schema",
                       postgres.table.substr(0, dot));
    check_identifier(mapping.reader().report, mapping.where("table"), "a table",
                     dot == std::string::npos ? postgres.table : postgres.table.substr(dot + 1));
  }
  return postgres;
}

bool is_mail_address(const std::string& text) {
  size_t at = text.rfind('@');
  return at != std::string::npos && at > 0 && at + 1 < text.size() &&
         text.find_first_of("\r\n,;") == std::string::npos;
}

MailDestination read_mail(MappingReader& mapping) {
  MailDestination mail;
  mail.url = mapping.required_text("url");
  if (!mail.url.empty() && shown_url(mail.url, {"smtp", "smtps"}) != mail.url)
    mapping.error("url", "`url` is smtp:// or smtps:// with a host and, if need be, a port",
                  "For example smtp://mail.example.com:587; user and password have keys of their own.");
  mail.starttls = mapping.choice<bool>("tls", {{"required", true}, {"none", false}}, true);
  mail.user = mapping.text("user");
  mail.password = Secret(mapping.text("password"));
  mail.from = mapping.required_text("from");
  mail.to = mapping.texts("to");
  if (!mapping.has("to")) mapping.required_text("to");
  std::vector<std::string> addresses = mail.to;
  addresses.push_back(mail.from);
  for (const auto& address : addresses)
    if (!address.empty() && !is_mail_address(address))
      mapping.error(address == mail.from ? "from" : "to", fmt::format("`{}` is no mail address", address),
                    "For example: crm@example.com, or Tidemark <crm@example.com>");
  mail.subject = read_template(mapping, "subject", "{subject}: {type}");
  mail.text = read_template(mapping, "text", "{timestamp} {type} {entity} ({subject})");
  return mail;
}

}  // namespace

void load_destination(Reader reader, const std::filesystem::path& file,
                      std::vector<Destination>& destinations) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader mapping(reader, *node, "a destination");
  if (node->kind != YamlNode::Kind::mapping) return;
  Destination destination;
  destination.where = mapping.where();
  destination.name = mapping.required_text("destination");
  if (mapping.has("destination")) destination.where = mapping.where("destination");
  if (!destination.name.empty())
    check_identifier(reader.report, destination.where, "a destination", destination.name);
  std::vector<std::string> given;
  for (const auto& kind : kinds)
    if (mapping.has(kind)) given.push_back(kind);
  if (given.size() != 1)
    reader.report.error(mapping.where(),
                        given.empty() ? std::string("it does not say where notifications go")
                                      : fmt::format("`{}` and `{}` are both there", given[0], given[1]),
                        "Give exactly one of webhook, slack, kafka, postgres, file, smtp and sse.");
  const std::string kind = given.empty() ? "" : given.front();
  for (const auto& known : kinds) {
    const YamlNode* child = mapping.child(known);
    if (child == nullptr || known != kind) continue;
    MappingReader inner(reader, *child, "`" + kind + "`");
    if (kind == "webhook") {
      destination.to = read_webhook(inner);
      destination.concurrency = webhook_concurrency;
    } else if (kind == "slack") {
      destination.to = read_slack(inner);
      destination.batch = slack_batch;
    } else if (kind == "kafka") {
      destination.to = read_kafka(inner);
      destination.batch = bulk_batch;
    } else if (kind == "postgres") {
      destination.to = read_postgres(inner);
      destination.batch = bulk_batch;
    } else if (kind == "file") {
      FileDestination to;
      to.path = reader.report.root() / inner.required_text("path");
      destination.to = to;
      destination.batch = bulk_batch;
    } else if (kind == "smtp") {
      destination.to = read_mail(inner);
    } else {
      destination.to = FeedDestination{};
      destination.batch = bulk_batch;
    }
    inner.finish();
  }
  const bool one_by_one = kind == "kafka" || kind == "postgres" || kind == "file" || kind == "sse";
  if (auto concurrency = mapping.integer("concurrency", 1, concurrency_max)) {
    destination.concurrency = static_cast<size_t>(*concurrency);
    if (one_by_one && *concurrency > 1)
      mapping.error("concurrency", fmt::format("a destination of kind {} has one connection", kind),
                    "Leave it out, or set `batch`.");
  }
  if (auto batch = mapping.integer("batch", 1, batch_max)) {
    destination.batch = static_cast<size_t>(*batch);
    destination.batches = true;
  }
  if (auto wait = mapping.duration_seconds("batch_wait")) {
    if (*wait > batch_wait_seconds_max) mapping.error("batch_wait", "`batch_wait` is at most 24h");
    if (destination.batch == 1)
      mapping.error("batch_wait", "`batch_wait` without `batch`: nothing is to be waited for",
                    "Say how many go together: batch: 100");
    destination.batch_wait_seconds = *wait;
  }
  mapping.finish();
  destinations.push_back(std::move(destination));
}

void check_destinations(Report& report, const std::vector<Destination>& destinations) {
  std::map<std::string, Location> seen;
  for (const auto& destination : destinations) {
    if (destination.name.empty()) continue;
    auto [entry, first] = seen.emplace(destination.name, destination.where);
    if (!first)
      report.error(destination.where,
                   fmt::format("the destination `{}` is declared already in {}", destination.name,
                               entry->second.describe()),
                   "Give one of them another name.");
  }
}

std::vector<std::filesystem::path> yaml_files(const std::filesystem::path& root, const std::string& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(root / folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::string name = entry->path().filename().string(), extension = entry->path().extension().string();
    if ((extension == ".yaml" || extension == ".yml") && !name.starts_with('.'))
      files.push_back(std::filesystem::path(folder) / name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<Destination>> load_destinations(const std::filesystem::path& directory) {
  Report report(directory);
  Environment environment(false);
  std::vector<Destination> destinations;
  for (const auto& file : yaml_files(directory, "destinations"))
    load_destination({report, environment}, file, destinations);
  check_destinations(report, destinations);
  auto errors = report.take_errors();
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return destinations;
}

}  // namespace tidemark::config
