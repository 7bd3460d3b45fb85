// The configuration parser on anything: it may refuse, with a UsageError, and nothing else. What it
// accepts must survive being written and read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "config/schema.h"

namespace {

mmusim::config::Schema make_schema() {
  mmusim::config::Schema schema;
  schema.number("a.n", 4, "A number.", 1, 1000);
  schema.size("a.size", 4096, "A size.", 1);
  schema.flag("a.flag", false, "A flag.");
  schema.choice("a.b.choice", "lru", {"lru", "fifo", "random"}, "A choice.");
  schema.text("a.b.text", "", "A text.");
  return schema;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const mmusim::config::Schema schema = make_schema();
  mmusim::config::Config config(schema);
  const std::string text(data, data + size);
  try {
    config.load_text(text, "fuzz.cfg");
  } catch (const mmusim::UsageError&) {
    return 0;
  }
  mmusim::config::Config again(schema);
  again.load_text(config.effective(), "effective");
  MMUSIM_ASSERT(again.effective() == config.effective());
  MMUSIM_ASSERT(again.text("a.b.text") == config.text("a.b.text"));
  return 0;
}
