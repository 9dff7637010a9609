/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to odd requests as a kube-apiserver 1.36.2 gave them to the same ones, over the store in memory. */
#include "lib/api_ask.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define APPLY "application/apply-patch+yaml"
#define MERGE "application/merge-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"

/* Lists and maps that are given empty: they show, are owned and count as changes. */
SP_TEST(api_odd, given_empty)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"i\"},\"spec\":{\"rules\":[]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: []: either "
		 "`defaultBackend` or `rules` must be specified\",\"field\":\"spec\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/networking.k8s.io/v1/servicecidrs",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"cidrs\":[\"10.99.0.0/24\"]}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/apis/networking.k8s.io/v1/servicecidrs/odd",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"spec\":{\"cidrs\":[]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: []: field is "
		 "immutable\",\"field\":\"spec.cidrs\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/apps/v1/namespaces/default/replicasets",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"selector\":{\"matchLabels\":{},"
			  "\"matchExpressions\":[]},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
			  "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: {}: empty "
		 "selector is invalid for deployment\",\"field\":\"spec.selector\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?fieldManager=m",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"podSelector\":{}}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/odd?fieldManager=n",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"spec\":{\"podSelector\":{\"matchExpressions\":[]}}}")},
		 200,
		 "*\"generation\":2,\"creationTimestamp\":\"*\",\"managedFields\":[{\"manager\":\"m\","
		 "\"operation\":\"Update\",\"apiVersion\":\"networking.k8s.io/v1\",\"time\":\"*\","
		 "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:spec\":{\"f:policyTypes\":{}}}}]},"
		 "\"spec\":{\"podSelector\":{},\"policyTypes\":[\"Ingress\"]}}*"},
		{{.method = "POST",
		  .path = "/apis/apps/v1/namespaces/default/statefulsets?fieldManager=m",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"serviceName\":\"s\","
				      "\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
				      "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
				      "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}")},
		 201,
		 NULL},
		{{.method = "POST",
		  .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?fieldManager=m",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"x\",\"uid\":\"7\",\"labels\":{}},"
				      "\"spec\":{\"resourceAttributes\":{}}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
		 "{\\\"name\\\":\\\"x\\\",\\\"managedFields\\\":[{\\\"manager\\\":\\\"m\\\","
		 "\\\"operation\\\":\\\"Update\\\",\\\"apiVersion\\\":\\\"authorization.k8s.io/v1\\\","
		 "\\\"time\\\":\\\"*\\\",\\\"fieldsType\\\":\\\"FieldsV1\\\","
		 "\\\"fieldsV1\\\":{\\\"f:spec\\\":{\\\"f:resourceAttributes\\\":{}}}}]}: must be empty\","
		 "\"field\":\"metadata\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles?fieldManager=m",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"odd\"},\"rules\":[]}")},
		 201,
		 "*\"fieldsV1\":{\"f:rules\":{}}}]},\"rules\":null*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* What upstream's internal types make of an object is owned, and shown with their names. */
SP_TEST(api_odd, through_the_internal_type)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers?fieldManager=m",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"scaleTargetRef\":{"
				      "\"apiVersion\":\"apps/v1\","
				      "\"kind\":\"Deployment\",\"name\":\"d\"},\"maxReplicas\":5}}")},
		 201,
		 "*\"f:spec\":{\"f:maxReplicas\":{},\"f:minReplicas\":{},\"f:scaleTargetRef\":{},"
		 "\"f:targetCPUUtilizationPercentage\":{}}}}]},"
		 "\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"d\","
		 "\"apiVersion\":\"apps/v1\"},\"minReplicas\":1,\"maxReplicas\":5,"
		 "\"targetCPUUtilizationPercentage\":80},\"status\":{\"currentReplicas\":0,"
		 "\"desiredReplicas\":0}}*"},
		{{.method = "PATCH",
		  .path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/odd",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"spec\":{\"maxReplicas\":{}}}")},
		 422,
		 "*\\\\\\\"targetCPUUtilizationPercentage\\\\\\\":80},\\\\\\\"status\\\\\\\":{"
		 "\\\\\\\"currentReplicas\\\\\\\":0,\\\\\\\"desiredReplicas\\\\\\\":0}}\\\": json: cannot "
		 "unmarshal "
		 "object into Go struct field HorizontalPodAutoscalerSpec.spec.maxReplicas of type "
		 "int32\",*"},
		{{.method = "POST",
		  .path = "/apis/apps/v1/namespaces/default/daemonsets?dryRun=All",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{"
				      "\"matchLabels\":{\"a\":\"b\"}},"
				      "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
				      "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}},"
				      "\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":{}}}}")},
		 201,
		 "*\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":{\"maxUnavailable\":0,"
		 "\"maxSurge\":0}}*"},
		{{.method = "POST",
		  .path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"devices\":{\"requests\":["
				      "{\"name\":\"r\","
				      "\"exactly\":{\"deviceClassName\":\"c\"}}]}}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/odd",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"spec\":{\"devices\":{\"constraints\":[{\"requests\":[],"
				      "\"matchAttribute\":\"a/b\"}],"
				      "\"config\":[{\"requests\":[\"r\"],\"opaque\":{\"driver\":\"d\","
				      "\"parameters\":{\"a\":\"b\"}}}],\"requests\":[{\"name\":\"r\","
				      "\"exactly\":{\"deviceClassName\":\"c\",\"selectors\":[{\"cel\":{"
				      "\"expression\":\"true\"}}],"
				      "\"tolerations\":[{\"key\":\"a\"}]}},{\"name\":\"s\","
				      "\"firstAvailable\":[{\"name\":\"t\","
				      "\"deviceClassName\":\"c\",\"capacity\":{}}]}]}}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
		 "{\\\"Devices\\\":{\\\"Requests\\\":[{\\\"Name\\\":\\\"r\\\","
		 "\\\"Exactly\\\":{\\\"DeviceClassName\\\":\\\"c\\\","
		 "\\\"Selectors\\\":[{\\\"CEL\\\":{\\\"Expression\\\":\\\"true\\\"}}],"
		 "\\\"AllocationMode\\\":\\\"ExactCount\\\",\\\"Count\\\":1,\\\"AdminAccess\\\":null,"
		 "\\\"Tolerations\\\":[{\\\"Key\\\":\\\"a\\\",\\\"Operator\\\":\\\"Equal\\\","
		 "\\\"Value\\\":\\\"\\\",\\\"Effect\\\":\\\"\\\",\\\"TolerationSeconds\\\":null}],"
		 "\\\"Capacity\\\":null},\\\"FirstAvailable\\\":null},{\\\"Name\\\":\\\"s\\\","
		 "\\\"Exactly\\\":null,\\\"FirstAvailable\\\":[{\\\"Name\\\":\\\"t\\\","
		 "\\\"DeviceClassName\\\":\\\"c\\\",\\\"Selectors\\\":null,"
		 "\\\"AllocationMode\\\":\\\"ExactCount\\\",\\\"Count\\\":1,\\\"Tolerations\\\":null,"
		 "\\\"Capacity\\\":{\\\"Requests\\\":null}}]}],\\\"Constraints\\\":[{\\\"Requests\\\":[],"
		 "\\\"MatchAttribute\\\":\\\"a/b\\\",\\\"DistinctAttribute\\\":null}],"
		 "\\\"Config\\\":[{\\\"Requests\\\":[\\\"r\\\"],\\\"Opaque\\\":{\\\"Driver\\\":\\\"d\\\","
		 "\\\"Parameters\\\":{\\\"a\\\":\\\"b\\\"}}}]}}: field is "
		 "immutable\",\"field\":\"spec\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/batch/v1/namespaces/default/jobs",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\" "
				      "\"},\"spec\":{\"template\":{\"spec\":{\"restartPolicy\":\"Never\""
				      ",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\" \\\": a "
		 "lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
		 "'.',"
		 " and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
		 "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\","
		 "\"field\":\"metadata.name\"},{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid "
		 "value: "
		 "\\\" \\\": a valid label must be an empty string or consist of alphanumeric characters, "
		 "'-',"
		 " '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
		 "'my_value',  or '12345', regex used for validation is "
		 "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')\",\"field\":\"spec.template.labels\"},"
		 "{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\" \\\": a valid label "
		 "must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
		 "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
		 "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')\","
		 "\"field\":\"spec.template.labels\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/batch/v1/namespaces/default/jobs?dryRun=All",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"j\"},\"spec\":{\"template\":{\"metadata\":{\"labels\":{"
			  "\"a\":\"b\""
			  "}},\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\","
			  "\"image\":\"i\"}]}}}}")},
		 201,
		 "*\"labels\":{\"a\":\"b\",\"batch.kubernetes.io/controller-uid\":\"*\","
		 "\"batch.kubernetes.io/job-name\":\"j\",\"controller-uid\":\"*\",\"job-name\":\"j\"}*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* Lists of structs are compared with all that they hold; a field behind a gate that is off; absent texts. */
SP_TEST(api_odd, structs_in_lists)
{
	static const t_ask_row rows[] = {
		{{.method = "PATCH",
		  .path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/q?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceClaim\","
				      "\"metadata\":{\"name\":\"q\"},\"spec\":{\"devices\":{\"requests\":"
				      "[{\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"c\"}}]}}}")},
		 201,
		 "*\"operation\":\"Apply\"*"},
		{{.method = "PATCH",
		  .path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/q?fieldManager=m",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":"
				      "{\"deviceClassName\":\"c\"},\"firstAvailable\":[]}]}}}")},
		 200,
		 "*\"managedFields\":[{\"manager\":\"m\",\"operation\":\"Update\",*"},
		{{.method = "POST",
		  .path = "/apis/resource.k8s.io/v1/resourceslices",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"driver\":\"d.x.com\",\"nodeName\":"
			  "\"n\",\"pool\":{\"name\":\"p\",\"generation\":1,\"resourceSliceCount\":1},"
			  "\"devices\":[{\"name\":\"d0\",\"nodeAllocatableResourceMappings\":{\"a\":{"
			  "\"capacityKey\":\"b\"}}}]}}")},
		 201,
		 "*\"devices\":[{\"name\":\"d0\"}]*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/events",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"namespace\":\"default\"}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/apis/events.k8s.io/v1/namespaces/default/events/e",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"eventTime\":\"2024-01-02T03:04:05.123456Z\",\"type\":\"Normal\"}")},
		 422,
		 "*\"message\":\"Required value\",\"field\":\"reportingInstance\"},"
		 "{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\",\"field\":\"action\"},"
		 "{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\",\"field\":\"reason\"},"
		 "{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"Normal\\\": field is "
		 "immutable\","
		 "\"field\":\"type\"},{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
		 "\\\"2024-01-02T03:04:05.123456Z\\\": field is immutable\",\"field\":\"eventTime\"}]}*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* Applied objects and strategic merge patches become Go structs without the way over JSON text. */
SP_TEST(api_odd, applied_numbers)
{
	static const t_ask_row rows[] = {
		{{.method = "PATCH",
		  .path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/odd?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"policy/v1\",\"kind\":\"PodDisruptionBudget\","
				      "\"metadata\":{\"name\":\"odd\"},\"spec\":{\"maxUnavailable\":"
				      "9223372036854775807}}")},
		 500,
		 "*\"message\":\"failed to convert new object (/odd; policy/v1, Kind=PodDisruptionBudget) to "
		 "proper version: unable to convert unstructured object to policy/v1, "
		 "Kind=PodDisruptionBudget: json: cannot unmarshal number 9223372036854775807 into Go value "
		 "of type int32\"*"},
		{{.method = "PATCH",
		  .path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/odd?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"policy/v1\",\"kind\":\"PodDisruptionBudget\","
			  "\"metadata\":{\"name\":\"odd\"},\"spec\":{\"minAvailable\":{\"a\":1}}}")},
		 500,
		 "*\"message\":\"failed to convert new object (/odd; policy/v1, Kind=PodDisruptionBudget) to "
		 "proper version: unable to convert unstructured object to policy/v1, "
		 "Kind=PodDisruptionBudget: json: cannot unmarshal object into Go value of type int32\"*"},
		{{.method = "PATCH",
		  .path = "/apis/apps/v1/namespaces/default/statefulsets/applied?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"apps/"
			  "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"applied\"},"
			  "\"spec\":{\"serviceName\":\"s\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
			  "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
			  "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}},"
			  "\"ordinals\":{\"start\":-2147483649}}}")},
		 201,
		 "*\"ordinals\":{\"start\":2147483647}*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/serviceaccounts/odd?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"odd\","
			  "\"managedFields\":[{},{\"operation\":true}]}}")},
		 500,
		 "*\"message\":\"failed to create typed patch object (/odd; /v1, Kind=ServiceAccount): "
		 ".metadata.managedFields[1].operation: expected string, got "
		 "\\u0026value.valueUnstructured{Value:true}\"*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/serviceaccounts/odd?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"odd\","
			  "\"managedFields\":[{}]}}")},
		 400,
		 "*\"message\":\"metadata.managedFields must be nil\"*"},
		{{.method = "POST",
		  .path = "/api/v1/persistentvolumes",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},"
			  "\"accessModes\":[\"ReadWriteOnce\"],\"hostPath\":{\"path\":\"/d\"}}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/api/v1/persistentvolumes/odd",
		  .type = STRATEGIC,
		  .body = SP_STR_INIT("{\"spec\":{\"capacity\":{\"0\":{\"storage\":\"1Gi\"}},"
				      "\"accessModes\":[[\"ReadWriteOnce\"]]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
		 "\\\"map[spec:map[accessModes:[[ReadWriteOnce]] capacity:map[0:map[storage:1Gi]]]]\\\": "
		 "quantities must match the regular expression "
		 "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'\",\"field\":\"patch\"}]}*"},
		{{.method = "PATCH",
		  .path = "/api/v1/persistentvolumes/odd",
		  .type = STRATEGIC,
		  .body = SP_STR_INIT("{\"metadata\":{\"creationTimestamp\":7}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
		 "\\\"map[metadata:map[creationTimestamp:7]]\\\": json: cannot unmarshal number into Go "
		 "value "
		 "of type string\",\"field\":\"patch\"}]}*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* Definitions: finalizers, defaults of the root, selectable fields and where their schema stands. */
SP_TEST(api_odd, definitions)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"foos.x.com\",\"finalizers\":[\"5s\",\"a b\"]},"
			  "\"spec\":{\"group\":\"x.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":"
			  "\"foos\","
			  "\"kind\":\"Foo\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			  "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"a b\\\": "
		 "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
		 "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
		 "for "
		 "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')\","
		 "\"field\":\"metadata.finalizers\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"foos.x.com\"},\"spec\":{\"group\":\"x.com\","
			  "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"foos\",\"kind\":\"Foo\"},"
			  "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			  "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"default\":{\"apiVersion\":"
			  "\"a/b\","
			  "\"a\":{\"c\":1}}}}}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
		 "{\\\"a\\\":{\\\"c\\\":1},\\\"apiVersion\\\":\\\"a/b\\\"}: must not have unknown fields\","
		 "\"field\":\"spec.validation.openAPIV3Schema.default\"},{\"reason\":\"FieldValueRequired\","
		 "\"message\":\"Required "
		 "value\",\"field\":\"spec.validation.openAPIV3Schema.default.kind\"}]}"
		 "*"},
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"foos.x.com\"},\"spec\":{\"group\":\"x.com\","
			  "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"foos\",\"kind\":\"Foo\"},"
			  "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			  "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
			  "\"properties\":{\"spec\":{\"type\":\"object\",\"default\":{\"a\":1}}}}}}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: {\\\"a\\\":1}: "
		 "must not have unknown "
		 "fields\",\"field\":\"spec.validation.openAPIV3Schema.properties[spec]."
		 "default\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"foos.x.com\"},\"spec\":{\"group\":\"x.com\","
			  "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"foos\",\"kind\":\"Foo\"},"
			  "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			  "\"selectableFields\":[{\"jsonPath\":\".a\"},{\"jsonPath\":\"a "
			  "b\"},{\"jsonPath\":\"\"},"
			  "{\"jsonPath\":\".metadata.name\"},{\"jsonPath\":\".\"},{\"jsonPath\":\"[a]\"}],"
			  "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\".a\\\": is "
		 "an invalid path: does not refer to a valid field\","
		 "\"field\":\"spec.selectableFields[0].jsonPath\"},{\"reason\":\"FieldValueInvalid\","
		 "\"message\":\"Invalid value: \\\"a b\\\": is an invalid path: expected [ or . but got: a "
		 "b\",\"field\":\"spec.selectableFields[1].jsonPath\"},{\"reason\":\"FieldValueRequired\","
		 "\"message\":\"Required value\",\"field\":\"spec.selectableFields[2].jsonPath\"},"
		 "{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\".metadata.name\\\": is "
		 "an invalid path: does not refer to a valid field\","
		 "\"field\":\"spec.selectableFields[3].jsonPath\"},{\"reason\":\"FieldValueInvalid\","
		 "\"message\":\"Invalid value: \\\".\\\": is an invalid path: unexpected end of JSON path\","
		 "\"field\":\"spec.selectableFields[4].jsonPath\"},{\"reason\":\"FieldValueInvalid\","
		 "\"message\":\"Invalid value: \\\"[a]\\\": is an invalid path: array notation is not "
		 "allowed\",\"field\":\"spec.selectableFields[5].jsonPath\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"foos.x.com\"},\"spec\":{\"group\":\"x.com\","
			  "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"foos\",\"kind\":\"Foo\"},"
			  "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			  "\"selectableFields\":[{\"jsonPath\":\".a\"}]}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\","
		 "\"field\":\"spec.versions[0].schema.openAPIV3Schema\"},{\"reason\":\"FieldValueInvalid\","
		 "\"message\":\"Invalid value: \\\"\\\": may only be set when validations.schema is "
		 "included\",\"field\":\"spec.selectableFields\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"foos.x.com\"},\"spec\":{\"group\":\"x.com\","
			  "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"foos\",\"kind\":\"Foo\"},"
			  "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			  "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
			  "\"properties\":{\"a\":{\"type\":\"string\"}}}},"
			  "\"selectableFields\":[{\"jsonPath\":\".a\"}]},{\"name\":\"v2\",\"served\":true,"
			  "\"storage\":false,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
			  "\"properties\":{\"a\":{\"type\":\"string\"}}}}}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"\\\": may "
		 "only be set when `version.schema.openAPIV3Schema` is not included\","
		 "\"field\":\"spec.versions[0].selectableFields\"}]}*"},
		{{.method = "POST",
		  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"foos.x.com\"},\"spec\":{\"group\":\"x.com\","
				      "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"foos\",\"kind\":"
				      "\"Foo\"},\"versions\":[]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: []: must have "
		 "exactly one version marked as storage version\",\"field\":\"spec.versions\"},"
		 "{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: null: must have at least "
		 "one "
		 "stored version\",\"field\":\"status.storedVersions\"}]}*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* Paths without a route, selectors of reviews that cannot be read, URLs, node ports of dry runs, links. */
SP_TEST(api_odd, paths_selectors_and_links)
{
	static const t_ask_row rows[] = {
		{{
			 .method = "GET",
			 .path = "/api/v1/namespaces/default/bindings/b",
		 },
		 404,
		 "*\"message\":\"the server could not find the requested resource\"*"},
		{{.method = "POST",
		  .path = "/apis/apiregistration.k8s.io/v1/apiservices",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"v1.r1.example.com\",\"generateName\":\"gen-\"},"
			  "\"spec\":{\"group\":\"r1.example.com\",\"version\":\"v1\","
			  "\"groupPriorityMinimum\":1000,\"versionPriority\":10,"
			  "\"insecureSkipTLSVerify\":true,\"service\":{\"namespace\":\"d\","
			  "\"name\":\"s\"}}}")},
		 422,
		 "*\"field\":\"metadata.generateName\"*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/bindings",
		  .body = SP_STR_INIT("{\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}")},
		 400,
		 "*\"message\":\"Name parameter required.\"*"},
		{{
			 .method = "GET",
			 .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews/x",
		 },
		 404,
		 "*\"message\":\"the server could not find the requested resource\"*"},
		{{.method = "POST",
		  .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews",
		  .body = SP_STR_INIT("{\"spec\":{\"user\":\"u\",\"resourceAttributes\":{\"verb\":\"get\","
				      "\"resource\":\"secrets\","
				      "\"fieldSelector\":{\"requirements\":[{\"key\":\"a\",\"operator\":"
				      "\"Exists\"},{\"key\":\"a\","
				      "\"operator\":\"In\",\"values\":[\"b\"]}]},\"labelSelector\":{"
				      "\"rawSelector\":\"a in in\"}}}}")},
		 201,
		 "*\"status\":{\"allowed\":*,\"evaluationError\":\"spec.resourceAttributes.fieldSelector "
		 "partially ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to "
		 "parse error\"}}*"},
		{{.method = "POST",
		  .path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"w\"},\"webhooks\":[{\"name\":\"a.x.com\","
			  "\"clientConfig\":{\"url\":\"50%\"},\"admissionReviewVersions\":[\"v1\"],"
			  "\"sideEffects\":\"None\"},{\"name\":\"b.x.com\",\"clientConfig\":{\"url\":\"1:2\"}"
			  ","
			  "\"admissionReviewVersions\":[\"v1\"],\"sideEffects\":\"None\"},{\"name\":\"c.x."
			  "com\","
			  "\"clientConfig\":{\"url\":\"https://a/"
			  "%zzb\"},\"admissionReviewVersions\":[\"v1\"],"
			  "\"sideEffects\":\"None\"}]}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required value: url must be "
		 "a "
		 "valid URL: parse \\\"50%\\\": invalid URL escape \\\"%\\\"; desired format: "
		 "https://host[/path]\",\"field\":\"webhooks[0].clientConfig.url\"},"
		 "{\"reason\":\"FieldValueRequired\",\"message\":\"Required value: url must be a valid URL: "
		 "parse \\\"1:2\\\": first path segment in URL cannot contain colon; desired format: "
		 "https://host[/path]\",\"field\":\"webhooks[1].clientConfig.url\"},"
		 "{\"reason\":\"FieldValueRequired\",\"message\":\"Required value: url must be a valid URL: "
		 "parse \\\"https://a/%zzb\\\": invalid URL escape \\\"%zz\\\"; desired format: "
		 "https://host[/path]\",\"field\":\"webhooks[2].clientConfig.url\"}]}*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/services?dryRun=All",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\","
				      "\"ports\":[{\"port\":80,"
				      "\"nodePort\":70000}]}}")},
		 201,
		 "*\"nodePort\":70000*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/services",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\","
				      "\"ports\":[{\"port\":80,"
				      "\"nodePort\":70000}]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: 70000: "
		 "provided "
		 "port is not in the valid range. The range of valid ports is 30000-32767\","
		 "\"field\":\"spec.ports[0].nodePort\"}]}*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/configmaps",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"odd\",\"selfLink\":\"/x\"}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/configmaps/odd?dryRun=All",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"metadata\":{\"selfLink\":\"/y\"}}")},
		 200,
		 "*\"selfLink\":\"/y\"*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/configmaps/odd",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"metadata\":{\"selfLink\":\"/y\"}}")},
		 200,
		 "*\"namespace\":\"default\",\"uid\":\"*\",\"resourceVersion\":\"*\","
		 "\"creationTimestamp\":\"*\"*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* The order of conflicts, owners who wrote in another group, revisions that are no numbers, keys of dry runs.
 */
SP_TEST(api_odd, owners_and_revisions)
{
	static const t_ask_row rows[] = {
		{{.method = "PATCH",
		  .path = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/"
			  "oddl?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"flowcontrol.apiserver.k8s.io/"
				      "v1\",\"kind\":\"PriorityLevelConfiguration\","
				      "\"metadata\":{\"name\":\"oddl\"},\"spec\":{\"type\":\"Limited\","
				      "\"limited\":{\"nominalConcurrencyShares\":5,\"limitResponse\":{"
				      "\"type\":\"Reject\"}}}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/"
			  "oddl?fieldManager=n",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"flowcontrol.apiserver.k8s.io/"
				      "v1\",\"kind\":\"PriorityLevelConfiguration\","
				      "\"metadata\":{\"name\":\"oddl\"},\"spec\":{\"type\":\"Exempt\","
				      "\"limited\":{\"nominalConcurrencyShares\":6,\"limitResponse\":{"
				      "\"type\":\"Queue\"}}}}")},
		 409,
		 "*\"message\":\"Apply failed with 3 conflicts: conflicts with \\\"m\\\":\\n- .spec.type\\n- "
		 ".spec.limited.nominalConcurrencyShares\\n- .spec.limited.limitResponse.type\"*"},
		{{.method = "POST",
		  .path = "/apis/events.k8s.io/v1/namespaces/default/events?fieldManager=m",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"odde\"},\"eventTime\":\"2024-01-02T03:04:05.123456Z\","
			  "\"reportingController\":\"x.com/c\",\"reportingInstance\":\"i\",\"action\":\"A\","
			  "\"reason\":\"R\",\"type\":\"Normal\",\"regarding\":{\"namespace\":\"default\"}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/events/odde?fieldManager=n",
		  .type = MERGE,
		  .body = SP_STR_INIT("{\"reason\":\"S\"}")},
		 200,
		 "*\"managedFields\":[{\"manager\":\"n\",\"operation\":\"Update\",\"apiVersion\":\"v1\","
		 "\"time\":\"*\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:reason\":{}}}]},\"involved*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/configmaps/oddr?fieldManager=m",
		  .type = APPLY,
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"oddr\","
			  "\"resourceVersion\":\"abc\"}}")},
		 500,
		 "*\"message\":\"strconv.ParseUint: parsing \\\"abc\\\": invalid syntax\"*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/configmaps",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"oddu\"}}")},
		 201,
		 NULL},
		{{.method = "PUT",
		  .path = "/api/v1/namespaces/default/configmaps/oddu?dryRun=All",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"oddu\",\"uid\":\"u\"}}")},
		 409,
		 "*\"message\":\"Operation cannot be fulfilled on configmaps \\\"oddu\\\": StorageError: "
		 "invalid object, Code: 4, Key: /configmaps/default/oddu, ResourceVersion: 0, "
		 "AdditionalErrorMsg: Precondition failed: UID in precondition: u, UID in object meta: *\"*"},
		{{.method = "POST",
		  .path = "/apis/apiregistration.k8s.io/v1/apiservices",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"v1.odd.x.com\",\"finalizers\":[\"5s\"]},"
			  "\"spec\":{\"group\":\"odd.x.com\",\"version\":\"v1\",\"groupPriorityMinimum\":10,"
			  "\"versionPriority\":10,\"service\":{\"namespace\":\"d\",\"name\":\"s\"},"
			  "\"insecureSkipTLSVerify\":true}}")},
		 201,
		 "*\"finalizers\":[\"5s\"]*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* What cannot be tracked has no owners; keys that are no scalars are shown. */
SP_TEST(api_odd, list_items_without_keys)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/serviceaccounts",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k1\"},\"secrets\":[{\"name\":\"a\"},{}]}")},
		 201,
		 "{*Z\"},\"secrets\":[{\"name\":\"a\"},{}]}*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/serviceaccounts",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k2\"},\"secrets\":[{\"name\":\"a\"},{"
				      "\"name\":\"a\"}]}")},
		 201,
		 "*\"fieldsV1\":{\"f:secrets\":{\".\":{},\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}]},\"secrets\":"
		 "*"},
		{{.method = "PUT",
		  .path = "/api/v1/namespaces/default/serviceaccounts/k2",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k2\"},\"secrets\":[{}]}")},
		 200,
		 "{*Z\"},\"secrets\":[{}]}*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/serviceaccounts/k1?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{"
				      "\"name\":\"k1\",\"labels\":{\"a\":\"b\"}}}")},
		 500,
		 "*\"message\":\"failed to create manager for existing fields: failed to convert new object "
		 "(default/k1; /v1, Kind=ServiceAccount) to smd typed: .secrets: element 1: associative list "
		 "with keys has an element that omits all key fields [\\\"name\\\"] (and doesn't have "
		 "default values for any key fields)\",\"code\":500}*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/serviceaccounts/k3?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{"
				      "\"name\":\"k3\"},\"secrets\":[{\"name\":{}}]}")},
		 500,
		 "*\"message\":\"failed to create typed patch object (/k3; /v1, Kind=ServiceAccount): "
		 ".secrets[name=].name: expected string, got "
		 "\\u0026value.valueUnstructured{Value:map[string]interface {}{}}\",\"code\":500}*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/serviceaccounts/k3?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{"
				      "\"name\":\"k3\"},\"secrets\":[{\"name\":[\"x\",{\"a\":null}]}]}")},
		 500,
		 "*\"message\":\"failed to create typed patch object (/k3; /v1, Kind=ServiceAccount): "
		 ".secrets[name=[\\\"x\\\",a=null]].name: expected string, got "
		 "\\u0026value.valueUnstructured{Value:[]interface {}{\\\"x\\\", map[string]interface "
		 "{}{\\\"a\\\":interface {}(nil)}}}\",\"code\":500}*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/serviceaccounts/k3?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{"
				      "\"name\":\"k3\"},\"secrets\":[{\"name\":{}},{\"name\":{}}]}")},
		 500,
		 "*\"message\":\"failed to create typed patch object (/k3; /v1, Kind=ServiceAccount): "
		 "errors:\\n  .secrets[name=].name: expected string, got "
		 "\\u0026value.valueUnstructured{Value:map[string]interface {}{}}\\n  .secrets: duplicate "
		 "entries for key [name=]\\n  .secrets[name=].name: expected string, got "
		 "\\u0026value.valueUnstructured{Value:map[string]interface {}{}}\",\"code\":500}*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

/* A creation by PUT or apply says when it is deleted. */
SP_TEST(api_odd, deletion_at_creation)
{
	static const t_ask_row rows[] = {
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/configmaps/ax?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"ax\","
			  "\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"},\"data\":{\"a\":\"b\"}}")},
		 201,
		 "*\"deletionTimestamp\":\"2020-01-01T00:00:00Z\",\"managedFields\":*\"fieldsV1\":{\"f:"
		 "data\":{\"f:a\":{}},\"f:metadata\":{\"f:deletionTimestamp\":{}}}}]},\"data\":{\"a\":\"b\"}}"
		 "*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/configmaps/ax?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
				      "\"ax\",\"deletionTimestamp\":\"2020-01-01T00:00:00Z\","
				      "\"deletionGracePeriodSeconds\":3},\"data\":{\"a\":\"b\"}}")},
		 422,
		 "*\"message\":\"ConfigMap \\\"ax\\\" is invalid: metadata.deletionGracePeriodSeconds: "
		 "Invalid value: 3: field is immutable\"*"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/configmaps/ax?fieldManager=x",
		  .type = APPLY,
		  .body = SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
				      "\"ax\"},\"data\":{\"a\":\"c\"}}")},
		 200,
		 "*\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"*"},
		{{
			 .method = "GET",
			 .path = "/api/v1/namespaces/default/configmaps/ax",
		 },
		 404,
		 NULL},
		{{.method = "PUT",
		  .path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l1",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"l1\",\"selfLink\":\"/"
			  "x\",\"creationTimestamp\":\"2001-01-01T00:00:00Z\",\"deletionGracePeriodSeconds\":"
			  "9,\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"}}")},
		 201,
		 "*\"deletionTimestamp\":\"2020-01-01T00:00:00Z\",\"deletionGracePeriodSeconds\":9,"
		 "\"managedFields\":*{\"f:metadata\":{\"f:deletionGracePeriodSeconds\":{},\"f:"
		 "deletionTimestamp\":{}}}*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/configmaps",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"az\",\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"}}")},
		 201,
		 "{*Z\"}}*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

#define NINES_60 "999999999999999999999999999999999999999999999999999999999999"
#define NINES NINES_60 NINES_60 NINES_60 NINES_60 NINES_60

/* However long it is, all of it is said. */
SP_TEST(api_odd, long_revisions)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/configmaps",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"rv\"}}")},
		 201,
		 NULL},
		{{.method = "PUT",
		  .path = "/api/v1/namespaces/default/configmaps/rv",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"rv\",\"resourceVersion\":\"" NINES "\"}}")},
		 500,
		 "*\"message\":\"strconv.ParseUint: parsing \\\"" NINES
		 "\\\": value out of range\",\"code\":500}*"},
		{{
			 .method = "GET",
			 .path = "/api/v1/namespaces/default/configmaps/rv?resourceVersion=" NINES "",
		 },
		 500,
		 "*\"message\":\"resourceVersion: Invalid value: \\\"" NINES
		 "\\\": strconv.ParseUint: parsing \\\"" NINES "\\\": value out of range\",\"code\":500}*"},
		{{
			 .method = "GET",
			 .path = "/api/v1/namespaces/default/configmaps?resourceVersion=" NINES "",
		 },
		 400,
		 "*\"message\":\"invalid resource version: resourceVersion: Invalid value: \\\"" NINES
		 "\\\": strconv.ParseUint: parsing \\\"" NINES
		 "\\\": value out of range\",\"reason\":\"BadRequest\"*"},
		{{.method = "PUT",
		  .path = "/api/v1/namespaces/default/configmaps/rv",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"rv\",\"resourceVersion\":\"+1\"}}")},
		 500,
		 "*\"message\":\"strconv.ParseUint: parsing \\\"+1\\\": invalid syntax\",\"code\":500}*"},
		{{
			 .method = "GET",
			 .path = "/api/v1/namespaces/default/configmaps?limit=-99999999999999999999",
		 },
		 400,
		 "*\"message\":\"strconv.ParseInt: parsing \\\"-99999999999999999999\\\": value out of "
		 "range\"*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}
