/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of jobs as Go prints them. U: pkg/apis/batch/types.go */
#include "kube/kinds/go_rows.h"

LOCAL(on_exit_codes, PTR("ContainerName", "containerName"), STR("Operator", "operator"),
      PTR("Values", "values"));
LOCAL(on_pod_condition, STR("Type", "type"), STR("Status", "status"));
LOCAL(failure_rule, STR("Action", "action"), STRUCT_PTR("OnExitCodes", "onExitCodes", &on_exit_codes),
      STRUCT_LIST("OnPodConditions", "onPodConditions", &on_pod_condition));
EXPORT(sp_go_pod_failure_policy, STRUCT_LIST("Rules", "rules", &failure_rule));
LOCAL(success_rule, PTR("SucceededIndexes", "succeededIndexes"), PTR("SucceededCount", "succeededCount"));
EXPORT(sp_go_success_policy, STRUCT_LIST("Rules", "rules", &success_rule));
