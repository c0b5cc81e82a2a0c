// Fills a notification into a text template (config/text_template.h has the placeholders).
#pragma once

#include "config/text_template.h"
#include "notify/notification.h"

#include <functional>
#include <string>
#include <string_view>

namespace tidemark::notify {

// `escape` is applied to each value, not to the template's own text; it may be empty.
std::string render(const config::TextTemplate& text, const Notification& notification,
                   const std::function<std::string(std::string_view)>& escape = {});

}  // namespace tidemark::notify
