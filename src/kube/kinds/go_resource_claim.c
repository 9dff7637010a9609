/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of devices and their parts. */
#include "kube/kinds/go_rows.h"

LOCAL(cel_selector, STR("Expression", "expression"));
LOCAL(selector, STRUCT_PTR("CEL", "cel", &cel_selector));
LOCAL(toleration, STR("Key", "key"), STR("Operator", "operator"), STR("Value", "value"),
      STR("Effect", "effect"), PTR("TolerationSeconds", "tolerationSeconds"));
LOCAL(capacity, PTR("Requests", "requests"));
LOCAL(exactly, STR("DeviceClassName", "deviceClassName"), STRUCT_LIST("Selectors", "selectors", &selector),
      STR("AllocationMode", "allocationMode"), I64("Count", "count"), PTR("AdminAccess", "adminAccess"),
      STRUCT_LIST("Tolerations", "tolerations", &toleration), STRUCT_PTR("Capacity", "capacity", &capacity));
LOCAL(sub_request, STR("Name", "name"), STR("DeviceClassName", "deviceClassName"),
      STRUCT_LIST("Selectors", "selectors", &selector), STR("AllocationMode", "allocationMode"),
      I64("Count", "count"), STRUCT_LIST("Tolerations", "tolerations", &toleration),
      STRUCT_PTR("Capacity", "capacity", &capacity));
LOCAL(request, STR("Name", "name"), STRUCT_PTR("Exactly", "exactly", &exactly),
      STRUCT_LIST("FirstAvailable", "firstAvailable", &sub_request));
LOCAL(constraint, PTR("Requests", "requests"), PTR("MatchAttribute", "matchAttribute"),
      PTR("DistinctAttribute", "distinctAttribute"));
LOCAL(opaque, STR("Driver", "driver"), PTR("Parameters", "parameters"));
LOCAL(config, PTR("Requests", "requests"), STRUCT_PTR("Opaque", "opaque", &opaque));
LOCAL(devices, STRUCT_LIST("Requests", "requests", &request),
      STRUCT_LIST("Constraints", "constraints", &constraint), STRUCT_LIST("Config", "config", &config));
EXPORT(sp_go_resource_claim_spec, STRUCT("Devices", "devices", &devices));
EXPORT(sp_go_resource_claim_template_spec, META, STRUCT("Spec", "spec", &sp_go_resource_claim_spec));
