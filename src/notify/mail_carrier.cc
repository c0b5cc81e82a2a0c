#include "notify/mail_carrier.h"

#include "base/clock.h"
#include "notify/notify_limits.h"

#include <curl/curl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace tidemark::notify {
namespace {

// RFC 2045: encoded lines have at most 76 characters. RFC 2047: an encoded word at most 75.
constexpr size_t line_bytes = 57;
constexpr size_t word_bytes = 42;

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return text;
}

// A header's text: as it is when it is plain, else in encoded words. Line breaks would begin new headers.
std::string header_text(std::string text) {
  bool plain = text.size() <= line_bytes;
  for (char& character : text) {
    if (static_cast<unsigned char>(character) < 0x20) character = ' ';
    plain = plain && static_cast<unsigned char>(character) < 0x7f && character != '=';
  }
  if (plain) return text;
  std::string words;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(at + word_bytes, text.size());
    // Not within a character.
    while (end < text.size() && end > at + 1 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    if (!words.empty()) words += "\r\n ";
    words += "=?UTF-8?B?" + base64(std::string_view(text).substr(at, end - at)) + "?=";
    at = end;
  }
  return words;
}

struct Upload {
  std::string_view left;
  static size_t read(char* to, size_t size, size_t count, void* context) {
    auto& left = static_cast<Upload*>(context)->left;
    size_t piece = std::min(size * count, left.size());
    left.copy(to, piece);
    left.remove_prefix(piece);
    return piece;
  }
};

int progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(context)->load() ? 1 : 0;
}

std::string angled(const std::string& address) {
  size_t open = address.rfind('<');
  return open == std::string::npos ? "<" + address + ">" : address.substr(open);
}

}  // namespace

MailCarrier::MailCarrier(MailOptions options, const std::atomic<bool>& stop)
    : options_(std::move(options)), stop_(stop) {
  redaction_.add(options_.password.reveal());
}

std::string MailCarrier::message(const std::vector<Notification>& notifications, int64_t now_s) const {
  std::string subject = render(options_.subject, notifications.front());
  if (notifications.size() > 1) subject += fmt::format(" (and {} more)", notifications.size() - 1);
  std::string text;
  for (const auto& notification : notifications) text += render(options_.text, notification) + "\r\n";
  std::string to;
  for (const auto& address : options_.to) to += (to.empty() ? "" : ", ") + address;
  std::string id = notifications.size() == 1 ? message_id(options_.destination, notifications.front())
                                             : batch_id(options_.destination, notifications);
  size_t at = options_.from.rfind('@');
  std::string domain = at == std::string::npos ? "tidemark" : options_.from.substr(at + 1);
  while (!domain.empty() && domain.back() == '>') domain.pop_back();
  std::string message = fmt::format(
      "Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{}@{}>\r\n"
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n",
      fmt::gmtime(static_cast<time_t>(now_s)), options_.from, to, header_text(subject), id, domain);
  for (size_t begin = 0; begin < text.size(); begin += line_bytes)
    message += base64(std::string_view(text).substr(begin, line_bytes)) + "\r\n";
  return message;
}

Outcome MailCarrier::carry(const std::vector<Notification>& notifications) {
  using Result = Outcome::Result;
  const std::string text = message(notifications, system_clock().wall_micros() / 1'000'000);
  Upload upload{text};
  std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  curl_slist* list = nullptr;
  for (const auto& address : options_.to) list = curl_slist_append(list, angled(address).c_str());
  const std::string from = angled(options_.from);
  curl_easy_setopt(curl.get(), CURLOPT_URL, options_.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl.get(), CURLOPT_USE_SSL,
                   static_cast<long>(options_.starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(limits::attempt_timeout_max.count()));
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits::connect_timeout.count()));
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, list);
  if (!options_.user.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_USERNAME, options_.user.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PASSWORD, options_.password.reveal().c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, Upload::read);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, progress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &stop_);
  CURLcode code = curl_easy_perform(curl.get());
  curl_slist_free_all(list);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK) return {.result = Result::delivered, .status = static_cast<int>(status)};
  Outcome outcome{.result = Result::away,
                  .status = static_cast<int>(status),
                  .answer = redaction_.excerpt(curl_easy_strerror(code))};
  // The server was there and said no to this mail; whoever is not let in at all waits as a whole.
  const bool no_entry = code == CURLE_LOGIN_DENIED || code == CURLE_USE_SSL_FAILED;
  if (status >= 400 && !no_entry) outcome.result = Result::failed;
  return outcome;
}

}  // namespace tidemark::notify
