#include "base/error.h"

namespace tidemark {

std::string Error::describe() const {
  std::string text;
  for (auto where = context.rbegin(); where != context.rend(); ++where) text += *where + ": ";
  text += message;
  if (!remedy.empty()) text += "\n  " + remedy;
  return text;
}

const char* name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::config:
      return "config";
    case ErrorKind::dependency_down:
      return "dependency down";
    case ErrorKind::refused:
      return "refused";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::limit:
      return "limit";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::unknown_outcome:
      return "unknown outcome";
    case ErrorKind::verification:
      return "verification";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace tidemark
