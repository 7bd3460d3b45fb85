// Which backends, configured how, on which architectures: what the suite is parameterised over.
#ifndef MMUSIM_TESTS_CONFORMANCE_SUBJECTS_H_
#define MMUSIM_TESTS_CONFORMANCE_SUBJECTS_H_

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

// Other ways to configure a backend than its defaults, which are tested too, on the architectures
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
      {"global", "hashed", "[pt.hashed]\nscope = global\n"},
      {"two", "clustered", "[pt.clustered]\nblock = 2\n"},
      {"sixty_four", "clustered", "[pt.clustered]\nblock = 64\n"},
      {"global", "clustered", "[pt.clustered]\nscope = global\n"},
      {"eager_fixed", "gpt", "[pt.gpt]\ncollapse = eager\norder = 5\n"},
  };
  return kVariants;
}

// A backend on an architecture: what the suite is parameterised over.
struct Subject {
  const Backend* backend;
  const Architecture* architecture;
  const Variant* variant;  // null: as it is by default
  [[nodiscard]] const char* settings() const { return variant == nullptr ? "" : variant->settings; }
};
inline std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const Backend& backend : backends())
    for (const Architecture& architecture : architectures()) {
      all.push_back({&backend, &architecture, nullptr});
      if (std::string_view("odd x86_64 full64").find(architecture.name) == std::string_view::npos)
        continue;
      for (const Variant& variant : variants())
        if (std::string_view(variant.backend) == backend.name)
          all.push_back({&backend, &architecture, &variant});
    }
  return all;
}
inline std::string name_of(const Subject& subject) {
  std::string name = subject.backend->name;
  if (subject.variant != nullptr) name += std::string("_") + subject.variant->name;
  return name + "_" + subject.architecture->name;
}
inline void PrintTo(const Subject& subject, std::ostream* out) {
  *out << name_of(subject);
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_TESTS_CONFORMANCE_SUBJECTS_H_
