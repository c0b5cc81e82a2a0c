#include "clickhouse/client.h"

#include "base/limits.h"
#include "clickhouse/answer.h"
#include "clickhouse/cancellation.h"
#include "clickhouse/cluster.h"
#include "clickhouse/native_reader.h"
#include "clickhouse/native_writer.h"
#include "clickhouse/schema.h"
#include "clickhouse/wire_type.h"

#include <algorithm>
#include <curl/curl.h>
#include <fmt/format.h>
#include <mutex>
#include <optional>

namespace tidemark::clickhouse {
namespace {

constexpr long connect_timeout_ms = 5000;
// Large enough that a block is a handful of calls; curl's default is 64 kB up and 16 kB down.
constexpr long transfer_buffer_bytes = 512 << 10;
// Far below the megabyte at which curl and servers stop taking a URL, also when every byte needs three.
constexpr size_t url_parameter_bytes_max = 64 << 10;
// The server reads no more of a statement (max_query_size) unless it is told to.
constexpr size_t statement_bytes_default = 200 << 10;

// A request while curl works on it: where its body comes from and where its answer goes.
struct Exchange {
  std::vector<std::string_view> body;
  size_t piece = 0;
  size_t offset = 0;
  size_t bytes_sent = 0;
  bool may_rewind = false;

  long status = 0;
  int exception_code = 0;
  // The answer says where it ends, and its headers are complete. Without that an answer that was cut short
  // looks like one that is over.
  bool framed = false;
  bool headers_complete = false;
  std::string error_body;
  BodyGuard* guard = nullptr;
  std::optional<Error> sink_error;
};

size_t read_body(char* place, size_t size, size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  size_t room = size * count;
  size_t written = 0;
  while (room > 0 && exchange.piece < exchange.body.size()) {
    std::string_view rest = exchange.body[exchange.piece].substr(exchange.offset);
    size_t take = std::min(room, rest.size());
    if (take > 0) std::memcpy(place + written, rest.data(), take);
    written += take;
    room -= take;
    exchange.offset += take;
    if (exchange.offset == exchange.body[exchange.piece].size()) {
      ++exchange.piece;
      exchange.offset = 0;
    }
  }
  exchange.bytes_sent += written;
  return written;
}

// curl sends a request again by itself when a kept connection turns out to be dead before the answer. For a
// write that would be a second try nobody asked for, so it is refused here and becomes unknown_outcome.
int rewind_body(void* context, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  if (exchange.bytes_sent > 0 && !exchange.may_rewind) return CURL_SEEKFUNC_FAIL;
  exchange.piece = exchange.offset = exchange.bytes_sent = 0;
  return CURL_SEEKFUNC_OK;
}

// Asked by curl about once a second, and with every piece.
int give_up_when_cancelled(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return CancellationScope::cancelled() ? 1 : 0;
}

size_t take_header(char* text, size_t size, size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  std::string_view line(text, size * count);
  auto value_of = [&](std::string_view name) -> std::optional<std::string> {
    if (line.size() <= name.size() || line[name.size()] != ':' ||
        strncasecmp(line.data(), name.data(), name.size()) != 0)
      return std::nullopt;
    std::string_view value = line.substr(name.size() + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n')) value.remove_suffix(1);
    return std::string(value);
  };
  if (line.starts_with("HTTP/")) {
    auto space = line.find(' ');
    exchange.status =
        space == std::string_view::npos ? 0 : std::atol(std::string(line.substr(space)).c_str());
    exchange.exception_code = 0;
    exchange.framed = exchange.headers_complete = false;
  } else if (line == "\r\n") {
    exchange.headers_complete = true;
  } else if (value_of("Content-Length") || value_of("Transfer-Encoding")) {
    exchange.framed = true;
  } else if (auto code = value_of("X-ClickHouse-Exception-Code")) {
    exchange.exception_code = std::atoi(code->c_str());
  } else if (auto tag = value_of("X-ClickHouse-Exception-Tag")) {
    exchange.guard->set_tag(*tag);
  }
  return size * count;
}

size_t take_body(char* bytes, size_t size, size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  std::string_view piece(bytes, size * count);
  if (exchange.status != 200 || exchange.exception_code != 0) {
    size_t room =
        limits::error_body_bytes_max - std::min(limits::error_body_bytes_max, exchange.error_body.size());
    exchange.error_body.append(piece.substr(0, room));
    return piece.size();
  }
  Status taken = exchange.guard->feed(piece);
  if (!taken) {
    exchange.sink_error = std::move(taken.error());
    return 0;
  }
  return piece.size();
}

void append_escaped(std::string& url, std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  for (char character : text) {
    auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) || byte == '-' || byte == '_' || byte == '.' || byte == '~') {
      url.push_back(character);
    } else {
      url.push_back('%');
      url.push_back(digits[byte >> 4]);
      url.push_back(digits[byte & 15]);
    }
  }
}

void append_field(std::string& url, std::string_view name, std::string_view value) {
  if (url.back() != '?') url.push_back('&');
  append_escaped(url, name);
  url.push_back('=');
  append_escaped(url, value);
}

// Parameters of HTTP queries are read as a field of TabSeparated.
std::string escape_parameter(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (char character : text) {
    switch (character) {
      case '\\':
        escaped += "\\\\";
        break;
      case '\t':
        escaped += "\\t";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\r':
        escaped += "\\r";
        break;
      case '\0':
        escaped += "\\0";
        break;
      default:
        escaped.push_back(character);
    }
  }
  return escaped;
}

Error result_too_large() {
  return Error(ErrorKind::limit,
               fmt::format("the query's result is larger than {} MiB", limits::query_result_bytes_max >> 20),
               "add a LIMIT, or read it in pieces");
}

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

// {name:Type} of `sql` replaced by constants of their types; `constants`: texts by name.
std::string with_constants(std::string_view sql, const std::map<std::string, std::string>& constants) {
  std::string text;
  for (size_t from = 0;;) {
    size_t brace = sql.find('{', from);
    size_t end = brace == std::string_view::npos ? brace : sql.find('}', brace);
    if (end == std::string_view::npos) return text.append(sql.substr(from));
    size_t colon = std::min(sql.find(':', brace), end);
    auto known = constants.find(std::string(sql.substr(brace + 1, colon - brace - 1)));
    if (known == constants.end() || colon == end) {
      text.append(sql.substr(from, brace + 1 - from));
      from = brace + 1;
      continue;
    }
    text.append(sql.substr(from, brace - from));
    text += fmt::format("CAST({}, {})", quote_string(known->second),
                        quote_string(sql.substr(colon + 1, end - colon - 1)));
    from = end + 1;
  }
}

// What is sent along with every query whose answer is read as Native: types this room can read.
constexpr std::pair<const char*, const char*> native_settings[] = {
    {"output_format_native_write_json_as_string", "1"},
    {"output_format_native_encode_types_in_binary_format", "0"},
};

}  // namespace

struct Client::Connection {
  Endpoint endpoint;
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  char reason[CURL_ERROR_SIZE] = {};

  explicit Connection(Endpoint to) : endpoint(std::move(to)) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    handle = curl_easy_init();
    headers = header_list("Content-Type: application/octet-stream");
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    set(CURLOPT_TCP_NODELAY, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
    set(CURLOPT_NOPROXY, "*");  // a database is not behind a web proxy
    set(CURLOPT_ERRORBUFFER, reason);
    set(CURLOPT_UPLOAD_BUFFERSIZE, transfer_buffer_bytes);
    set(CURLOPT_BUFFERSIZE, transfer_buffer_bytes);
    set(CURLOPT_READFUNCTION, read_body);
    set(CURLOPT_SEEKFUNCTION, rewind_body);
    set(CURLOPT_HEADERFUNCTION, take_header);
    set(CURLOPT_WRITEFUNCTION, take_body);
    set(CURLOPT_XFERINFOFUNCTION, give_up_when_cancelled);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    curl_easy_cleanup(handle);
    curl_slist_free_all(headers);
  }

  curl_slist* header_list(const std::string& content_type) const {
    curl_slist* list = curl_slist_append(nullptr, "Expect:");
    list = curl_slist_append(list, content_type.c_str());
    list = curl_slist_append(list, fmt::format("X-ClickHouse-User: {}", endpoint.user).c_str());
    if (!endpoint.password.empty())
      list = curl_slist_append(list, fmt::format("X-ClickHouse-Key: {}", endpoint.password.reveal()).c_str());
    return list;
  }

  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle, option, value);
  }

  // `with_parameters` false: they travel in the body (send_query).
  std::string url(const QueryOptions& options, bool with_parameters = true) const {
    std::string text = endpoint.base_url() + "/?";
    append_field(text, "database", endpoint.database);
    if (!options.query_id.empty()) append_field(text, "query_id", options.query_id);
    // Days of times without a zone: the same for the statement that stores them and the one that checks them,
    // whatever zone a server stands in.
    if (!options.settings.contains("session_timezone")) append_field(text, "session_timezone", "UTC");
    // length() of an enum's text is a LowCardinality(UInt64): not wise, but no reason to refuse a model.
    if (!options.settings.contains("allow_suspicious_low_cardinality_types"))
      append_field(text, "allow_suspicious_low_cardinality_types", "1");
    for (const auto& [name, value] : options.settings) append_field(text, name, value);
    if (endpoint.cluster)
      for (const auto& [name, value] : Cluster::settings())
        if (!options.settings.contains(name)) append_field(text, name, value);
    // A token without this would be carried in vain.
    if (options.settings.contains("insert_deduplication_token") &&
        !options.settings.contains("insert_deduplicate"))
      append_field(text, "insert_deduplicate", "1");
    if (!with_parameters) return text;
    for (const auto& [name, value] : options.parameters)
      append_field(text, "param_" + name, escape_parameter(value));
    for (const auto& [name, value] : options.raw_parameters) append_field(text, "param_" + name, value);
    return text;
  }

  // A statement, its parameters in the URL as far as they fit; larger ones become constants of the statement.
  // (As a form they would be bound by http_max_field_value_size, which no request can raise.)
  Status send_query(std::string_view sql, const QueryOptions& given, const Fields& fields, bool writes,
                    const BodyGuard::Sink& sink) {
    size_t bytes = 0;
    for (const auto* map : {&given.parameters, &given.raw_parameters})
      for (const auto& [name, value] : *map) bytes += name.size() + value.size();
    if (bytes <= url_parameter_bytes_max) return send_text(sql, given, fields, writes, sink);
    QueryOptions options = given;
    std::map<std::string, std::string> constants;
    while (bytes > url_parameter_bytes_max) {
      std::pair<const std::string, std::string>* largest = nullptr;
      for (auto* map : {&options.parameters, &options.raw_parameters})
        for (auto& entry : *map)
          if (largest == nullptr || entry.second.size() > largest->second.size()) largest = &entry;
      const std::string name = largest->first;
      bool raw = options.raw_parameters.contains(name);
      constants[name] = largest->second;
      bytes -= name.size() + largest->second.size();
      (raw ? options.raw_parameters : options.parameters).erase(name);
    }
    return send_text(with_constants(sql, constants), options, fields, writes, sink);
  }

  Status send_text(std::string_view sql, const QueryOptions& options, const Fields& fields, bool writes,
                   const BodyGuard::Sink& sink) {
    std::string address = url(options, true);
    if (sql.size() > statement_bytes_default && !options.settings.contains("max_query_size"))
      append_field(address, "max_query_size", std::to_string(sql.size() + 1));
    for (const auto& [name, value] : fields) append_field(address, name, value);
    return post(address, {sql}, writes, options.timeout, sink);
  }

  // One POST. `writes`: repeating it may matter.
  Status post(const std::string& url, std::vector<std::string_view> body, bool writes,
              std::chrono::milliseconds timeout, const BodyGuard::Sink& sink) {
    BodyGuard guard(sink);
    Exchange exchange;
    exchange.body = std::move(body);
    exchange.may_rewind = !writes;
    exchange.guard = &guard;
    curl_off_t length = 0;
    for (auto piece : exchange.body) length += static_cast<curl_off_t>(piece.size());
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, length);
    return perform(exchange, timeout);
  }

  Status get(const std::string& url, std::chrono::milliseconds timeout) {
    BodyGuard guard([](std::string_view) { return Status(); });
    Exchange exchange;
    exchange.may_rewind = true;
    exchange.guard = &guard;
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_HTTPGET, 1L);
    return perform(exchange, timeout);
  }

  Status perform(Exchange& exchange, std::chrono::milliseconds timeout) {
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_SEEKDATA, &exchange);
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEDATA, &exchange);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    set(CURLOPT_NOPROGRESS, CancellationScope::active() ? 0L : 1L);
    reason[0] = '\0';
    CURLcode code = curl_easy_perform(handle);
    if (code == CURLE_ABORTED_BY_CALLBACK)
      return fail(ErrorKind::cancelled, "nobody waits for the answer any more");
    if (exchange.sink_error) return fail(std::move(*exchange.sink_error));
    // The server's own words, even when the transfer then broke, say more than the broken transfer.
    if (exchange.status != 0 && (exchange.status != 200 || exchange.exception_code != 0))
      return said_no(exchange);
    bool complete = code == CURLE_OK && exchange.framed && exchange.headers_complete;
    TRY_VOID(exchange.guard->finish(complete));
    if (complete) return {};
    return broken(code, exchange);
  }

  Status said_no(const Exchange& exchange) const {
    ServerException exception = parse_exception(exchange.error_body);
    if (exception.code == 0) exception.code = exchange.exception_code;
    if (exception.code == 0 && (exchange.status == 502 || exchange.status == 503 || exchange.status == 504))
      return fail(exchange.status == 504 ? ErrorKind::unknown_outcome : ErrorKind::dependency_down,
                  fmt::format("{} answers with HTTP status {}", endpoint.base_url(), exchange.status));
    if (exception.text.empty()) exception.text = fmt::format("HTTP status {}", exchange.status);
    return fail(error_of(exception));
  }

  Status broken(CURLcode code, const Exchange& exchange) const {
    std::string why = reason[0] != '\0' ? reason : curl_easy_strerror(code);
    double connected = 0;
    curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME, &connected);
    bool started = exchange.bytes_sent > 0 || exchange.status != 0;
    if (!started && connected == 0.0)
      return fail(ErrorKind::dependency_down,
                  fmt::format("ClickHouse at {} cannot be reached: {}", endpoint.base_url(), why),
                  "is the server running, and is warehouse.url right?");
    if (code == CURLE_OPERATION_TIMEDOUT)
      return fail(ErrorKind::unknown_outcome,
                  fmt::format("ClickHouse at {} did not answer in time: {}", endpoint.base_url(), why));
    return fail(ErrorKind::unknown_outcome,
                fmt::format("the connection to ClickHouse at {} was lost before its answer was complete: {}",
                            endpoint.base_url(), why));
  }
};

std::string array_parameter(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const auto& value : values) {
    if (text.size() > 1) text.push_back(',');
    text.push_back('\'');
    for (char character : value) {
      if (character == '\'' || character == '\\') text.push_back('\\');
      if (character == '\0')
        text += "\\0";
      else
        text.push_back(character);
    }
    text.push_back('\'');
  }
  text.push_back(']');
  return text;
}

Client::Client(Endpoint endpoint) : connection_(std::make_unique<Connection>(std::move(endpoint))) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

const Endpoint& Client::endpoint() const {
  return connection_->endpoint;
}

Status Client::execute(std::string_view sql, const QueryOptions& options) {
  const auto& cluster = connection_->endpoint.cluster;
  if (cluster && Cluster::concerns(sql, options.placement) &&
      TRY(cluster->execute(sql, options, [&](std::string_view own) { return execute_here(own, options); })))
    return {};
  return execute_here(sql, options);
}

Status Client::execute_here(std::string_view sql, const QueryOptions& options) {
  return connection_->send_query(sql, options, {}, true, [](std::string_view) { return Status(); });
}

Status Client::query_native(std::string_view sql, const QueryOptions& options,
                            const std::function<Status(Block)>& on_block) {
  QueryOptions native = options;
  for (const auto& [name, value] : native_settings) native.settings.try_emplace(name, value);
  NativeReader reader;
  TRY_VOID(connection_->send_query(
      sql, native, {{"default_format", "Native"}, {"cancel_http_readonly_queries_on_client_close", "1"}},
      false, [&](std::string_view bytes) { return reader.feed(bytes, on_block); }));
  return reader.finish();
}

// A result without rows comes as no bytes at all; what its columns would have been takes a second question.
// Best effort: statements that cannot be described (SHOW, EXPLAIN) stay without columns.
Block Client::columns_of(std::string_view sql, const QueryOptions& options) {
  while (!sql.empty() && (sql.back() == ';' || sql.back() == ' ' || sql.back() == '\n')) sql.remove_suffix(1);
  Block columns;
  auto described =
      query_native(fmt::format("DESCRIBE TABLE ({}\n)", sql), options, [&](const Block& rows) -> Status {
        for (size_t row = 0; row < rows.rows(); ++row)
          if (auto type = parse_wire_type(rows.columns[1].text(row)))
            columns.add(std::string(rows.columns[0].text(row)), type->column);
        return {};
      });
  return described ? std::move(columns) : Block();
}

Status Client::query_blocks(std::string_view sql, const QueryOptions& options,
                            const std::function<Status(const Block&)>& on_block) {
  return query_native(sql, options,
                      [&](const Block& block) { return block.rows() == 0 ? Status() : on_block(block); });
}

Result<Block> Client::query(std::string_view sql, const QueryOptions& options) {
  Block whole;
  size_t bytes = 0;
  TRY_VOID(query_native(sql, options, [&](Block block) -> Status {
    bytes += block.bytes();
    if (bytes > limits::query_result_bytes_max) return fail(result_too_large());
    if (whole.rows() == 0) {
      if (block.rows() > 0 || whole.columns.empty()) whole = std::move(block);
      return {};
    }
    for (size_t index = 0; index < block.columns.size(); ++index)
      for (size_t row = 0; row < block.rows(); ++row)
        whole.columns[index].append_from(block.columns[index], row);
    return {};
  }));
  if (whole.columns.empty() && options.describe_empty) return columns_of(sql, options);
  return whole;
}

Status Client::stream_text(std::string_view sql, const QueryOptions& options,
                           const std::function<Status(std::string_view)>& sink) {
  return connection_->send_query(sql, options, {{"http_write_exception_in_output_format", "0"}}, true, sink);
}

Result<std::string> Client::query_text(std::string_view sql, const QueryOptions& options) {
  std::string text;
  TRY_VOID(stream_text(sql, options, [&](std::string_view bytes) -> Status {
    if (text.size() + bytes.size() > limits::query_result_bytes_max) return fail(result_too_large());
    text.append(bytes);
    return {};
  }));
  return text;
}

Status Client::insert(std::string_view table, const Block& block, const QueryOptions& options) {
  if (block.rows() == 0) return {};
  if (const auto& cluster = connection_->endpoint.cluster; cluster && Cluster::splits(table))
    return cluster->insert(table, block, options);
  std::string sql = fmt::format("INSERT INTO {} (", table);
  for (size_t index = 0; index < block.names.size(); ++index) {
    if (index > 0) sql += ", ";
    sql.push_back('`');
    for (char character : block.names[index]) {
      if (character == '`' || character == '\\') sql.push_back('\\');
      sql.push_back(character);
    }
    sql.push_back('`');
  }
  // A trailing newline would be taken for data: the statement travels in the URL, the body is the block
  // alone.
  sql += ") FORMAT Native";
  std::string url = connection_->url(options);
  append_field(url, "query", sql);
  NativeBlock native(block);
  return connection_->post(url, native.pieces(), true, options.timeout,
                           [](std::string_view) { return Status(); });
}

Status Client::ping(std::chrono::milliseconds timeout) {
  return connection_->get(connection_->endpoint.base_url() + "/ping", timeout);
}

}  // namespace tidemark::clickhouse
