#include "notify/text_template.h"

#include <boost/json.hpp>

namespace tidemark::notify {
namespace {

namespace json = boost::json;

std::string value_at(const json::value& data, std::string_view path) {
  const json::value* place = &data;
  while (!path.empty()) {
    size_t dot = std::min(path.find('.'), path.size());
    const auto* object = place->if_object();
    place = object == nullptr ? nullptr : object->if_contains(path.substr(0, dot));
    if (place == nullptr) return "";
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  if (place->is_null()) return "";
  return place->is_string() ? std::string(place->as_string()) : json::serialize(*place);
}

}  // namespace

std::string render(const config::TextTemplate& text, const Notification& notification,
                   const std::function<std::string(std::string_view)>& escape) {
  json::value data;
  bool read = false;
  auto value_of = [&](const std::string& name) -> std::string {
    if (name == "type") return notification.kind;
    if (name == "subject") return notification.subject;
    if (name == "subject_version") return notification.subject_version;
    if (name == "entity") return notification.entity;
    if (name == "cause") return notification.cause;
    if (name == "seq") return std::to_string(notification.seq);
    if (name == "timestamp") return iso_time(notification.happened_at_ms);
    if (!std::exchange(read, true)) {
      boost::system::error_code error;
      data = json::parse(notification.data, error);
      if (error) data = nullptr;
    }
    return value_at(data, std::string_view(name).substr(5));
  };
  std::string filled;
  for (const auto& piece : text)
    filled += !piece.placeholder ? piece.text : escape ? escape(value_of(piece.text)) : value_of(piece.text);
  return filled;
}

}  // namespace tidemark::notify
