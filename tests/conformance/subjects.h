// Which backends, configured how, on which layouts: what the suite is parameterised over.
#ifndef MMUSIM_TESTS_CONFORMANCE_SUBJECTS_H_
#define MMUSIM_TESTS_CONFORMANCE_SUBJECTS_H_

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

// Other ways to configure a backend than its defaults, which are tested too, on the layouts
// that differ most.
struct Variant {
  const char* name;
  const char* backend;
  const char* settings;
};
inline const std::vector<Variant>& variants() {
  static const std::vector<Variant> kVariants = {
      {"wide", "gpt", "[pt.gpt]\nwidest = 12\ninflate = 75\nhalve = 40\n"},
      {"narrow", "gpt", "[pt.gpt]\nwidest = 3\n"},
      {"binary", "gpt", "[pt.gpt]\norder = 1\n"},
      {"fixed", "gpt", "[pt.gpt]\norder = 8\n"},
      {"eager", "gpt", "[pt.gpt]\ncollapse = eager\n"},
      {"grain", "gpt", "[pt.gpt]\ngrain = 3\njoin = 20\n"},
      {"by_misses", "gpt", "[pt.gpt]\nrestructure = by_misses\n"},
      {"global", "hashed", "[pt.hashed]\nscope = global\n"},
      {"two", "clustered", "[pt.clustered]\nblock = 2\n"},
      {"sixty_four", "clustered", "[pt.clustered]\nblock = 64\n"},
      {"global", "clustered", "[pt.clustered]\nscope = global\n"},
      {"eager_fixed", "gpt", "[pt.gpt]\ncollapse = eager\norder = 5\n"},
  };
  return kVariants;
}

// A backend on a layout: what the suite is parameterised over.
struct Subject {
  const Backend* backend;
  const Layout* layout;
  const Variant* variant;  // null: as it is by default
  [[nodiscard]] const char* settings() const { return variant == nullptr ? "" : variant->settings; }
};
inline std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const Backend& backend : backends())
    for (const Layout& layout : layouts()) {
      all.push_back({&backend, &layout, nullptr});
      if (std::string_view("odd ia64 full64").find(layout.name) == std::string_view::npos) continue;
      for (const Variant& variant : variants())
        if (std::string_view(variant.backend) == backend.name)
          all.push_back({&backend, &layout, &variant});
    }
  return all;
}
inline std::string name_of(const Subject& subject) {
  std::string name = subject.backend->name;
  if (subject.variant != nullptr) name += std::string("_") + subject.variant->name;
  return name + "_" + subject.layout->name;
}
inline void PrintTo(const Subject& subject, std::ostream* out) {
  *out << name_of(subject);
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_TESTS_CONFORMANCE_SUBJECTS_H_
