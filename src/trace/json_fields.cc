#include "trace/json_fields.h"

#include <nlohmann/json.hpp>

namespace mmusim::trace {

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
  const std::string json =
      nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  out.append(json.data(), json.data() + json.size());
}

void JsonFieldWriter::text(const char* name, const std::string& value, Field) {
  add(R"({}"{}":)", comma(), name);
  append_json_string(out_, value);
}

void JsonFieldWriter::rights(const char* name, uint32_t value, Field) {
  add(R"({}"{}":"{}")", comma(), name, prot_text(value));
}

void JsonFieldWriter::address_result(const char* name, int64_t value, Field) {
  if (failed(value)) {
    number(name, value);
  } else {
    address(name, VirtAddr(static_cast<uint64_t>(value)));
  }
}

void JsonFieldWriter::word(const char* name, uint32_t value,
                           std::initializer_list<const char*> words, Field) {
  if (value < words.size()) {
    add(R"({}"{}":"{}")", comma(), name, words.begin()[value]);
  } else {
    number(name, value);
  }
}

void JsonFieldWriter::texts(const char* name, const std::vector<std::string>& values) {
  add(R"({}"{}":[)", comma(), name);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i != 0) add(",");
    append_json_string(out_, values[i]);
  }
  add("]");
}

void JsonFieldWriter::areas(const char* name, const std::vector<ImageArea>& values) {
  add(R"({}"{}":[)", comma(), name);
  for (size_t i = 0; i < values.size(); ++i) {
    const ImageArea& area = values[i];
    add(R"({}{{"begin":"{:#x}","end":"{:#x}","prot":"{}","flags":{},"offset":{},"name":)",
        i == 0 ? "" : ",", area.range.begin.value(), area.range.end.value(), prot_text(area.prot),
        area.flags, area.file_offset);
    append_json_string(out_, area.name);
    add("}}");
  }
  add("]");
}

}  // namespace mmusim::trace
