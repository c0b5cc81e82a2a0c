// What a ClickHouse server says when it says no, and how it says so in the middle of an answer.
//
// An exception before the first byte of a result comes as an HTTP error with the text as its body. One after
// that comes inside the body of an HTTP 200: servers since 25.11 announce a random tag in
// X-ClickHouse-Exception-Tag and end the body with
//     CR LF __exception__ CR LF <tag> CR LF <text> LF <length of text> SPACE <tag> CR LF __exception__ CR LF
// and then cut the transfer short. Older servers write the bare text and cut it short, or (before 24.x) end
// it properly. BodyGuard stands between the socket and whoever takes the result: it holds back just enough
// bytes to keep the frame from being taken for data.
#pragma once

#include "base/error.h"

#include <functional>
#include <string>
#include <string_view>

namespace tidemark::clickhouse {

struct ServerException {
  int code = 0;
  std::string name;  // "UNKNOWN_IDENTIFIER"; may be empty
  std::string text;  // without "DB::Exception", version, stack
};

// Reads "Code: 47. DB::Exception: text. (UNKNOWN_IDENTIFIER) (version 26.7.2.1)". Anything else becomes the
// text.
ServerException parse_exception(std::string_view body);

// The Error for it: the kind decides whether trying again can help.
Error error_of(const ServerException& exception);

class BodyGuard {
 public:
  using Sink = std::function<Status(std::string_view)>;

  explicit BodyGuard(Sink sink) : sink_(std::move(sink)) {}
  // The tag of the answer's header, before the first feed(); without it nothing is held back.
  void set_tag(std::string_view tag);
  Status feed(std::string_view bytes);
  // The body is over (`complete`: as HTTP says it should). Passes on what was held back, or returns the
  // exception found in it.
  Status finish(bool complete);
  // An exception frame has begun: what follows is its text.
  bool excepted() const { return excepted_; }

 private:
  Sink sink_;
  std::string marker_;     // CR LF __exception__ CR LF <tag>
  std::string held_;       // the end of the data, shorter than marker_
  std::string tail_;       // without a tag: the last bytes of the data, to look for bare text in
  std::string exception_;  // the frame, after marker_
  bool excepted_ = false;
};

}  // namespace tidemark::clickhouse
