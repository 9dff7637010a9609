/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: texts and messages as upstream's own parser gives them. */
#include "kube/selector.h"
#include "lib/t.h"

#define LABEL                                                                                       \
	"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or " \
	"'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "          \
	"'my_value',  or '12345', regex used for validation is "                                    \
	"'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define NAME                                                                                              \
	"must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "       \
	"alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation " \
	"is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define SUBDOMAIN                                                                                         \
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "      \
	"'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for " \
	"validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

typedef struct text_row {
	sp_str text;
	const char *canonical, *why; /* one of them */
} text_row;

static const text_row label_rows[] = {
	{SP_STR_INIT(""), "", NULL},
	{SP_STR_INIT("a"), "a", NULL},
	{SP_STR_INIT("a,b"), "a,b", NULL},
	{SP_STR_INIT(" a , !b "), "a,!b", NULL},
	{SP_STR_INIT("a=b"), "a=b", NULL},
	{SP_STR_INIT("a==b"), "a==b", NULL},
	{SP_STR_INIT("a!=b"), "a!=b", NULL},
	{SP_STR_INIT("a in (b,c)"), "a in (b,c)", NULL},
	{SP_STR_INIT("a notin (c,b,,)"), "a notin (,b,c)", NULL},
	{SP_STR_INIT("a in (,)"), "a in ()", NULL},
	{SP_STR_INIT("a in ()"), "a in ()", NULL},
	{SP_STR_INIT("a>5"), "a>5", NULL},
	{SP_STR_INIT("a<x"), NULL,
	 "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value "
	 "must be an integer"},
	{SP_STR_INIT("a>+5"), NULL,
	 "unable to parse requirement: values[0][a]: Invalid value: \"+5\": " LABEL},
	{SP_STR_INIT("a=b,"), NULL, "found '', expected: identifier after ','"},
	{SP_STR_INIT("a=b c"), NULL, "found 'c', expected: ',' or 'end of string'"},
	{SP_STR_INIT("a b=c"), NULL,
	 "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
	{SP_STR_INIT("="), NULL, "found '=', expected: !, identifier, or 'end of string'"},
	{SP_STR_INIT("!"), NULL, "unable to parse requirement: found '', expected: identifier"},
	{SP_STR_INIT("!a=b"), NULL, "found '=', expected: ',' or 'end of string'"},
	{SP_STR_INIT("app in (web"), NULL, "unable to parse requirement: found '', expected: ',' or ')'"},
	{SP_STR_INIT("a in b"), NULL, "unable to parse requirement: found 'b' expected: '('"},
	{SP_STR_INIT("a in (b c)"), NULL, "unable to parse requirement: found 'c', expected: ',' or ')'"},
	{SP_STR_INIT("a in (=)"), NULL,
	 "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
	{SP_STR_INIT("a in (b=)"), NULL, "unable to parse requirement: found '=', expected: ',' or ')'"},
	{SP_STR_INIT("-a=b"), NULL,
	 "unable to parse requirement: <nil>: Invalid value: \"-a\": name part " NAME},
	{SP_STR_INIT("a=-b"), NULL,
	 "unable to parse requirement: values[0][a]: Invalid value: \"-b\": " LABEL},
	{SP_STR_INIT("a/b/c"), NULL,
	 "unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key " NAME
	 " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"},
	{SP_STR_INIT("/b"), NULL,
	 "unable to parse requirement: <nil>: Invalid value: \"/b\": prefix part must be non-empty"},
	{SP_STR_INIT("a>5,a>6"), "a>5,a>6", NULL},
	{SP_STR_INIT("in in (in,notin)"), "in in (in,notin)", NULL},
	{SP_STR_INIT("notin"), "notin", NULL},
	{SP_STR_INIT("a=in"), "a=in", NULL},
	{SP_STR_INIT("a=,b"), "a=,b", NULL},
	{SP_STR_INIT("a>"), NULL,
	 "unable to parse requirement: values[0]: Invalid value: \"\": for 'Gt', 'Lt' operators, the value "
	 "must be an integer"},
	{SP_STR_INIT("x/y=é"), NULL,
	 "unable to parse requirement: values[0][x/y]: Invalid value: \"é\": " LABEL},
	{SP_STR_INIT("a='b'"), NULL,
	 "unable to parse requirement: values[0][a]: Invalid value: \"'b'\": " LABEL},
	{SP_STR_INIT("a!"), NULL,
	 "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"},
	{SP_STR_INIT("!!a"), NULL, "unable to parse requirement: found '!', expected: identifier"},
	{SP_STR_INIT("a==!b"), NULL, "unable to parse requirement: found '!', expected: identifier"},
	{SP_STR_INIT("(a)"), NULL, "found '(', expected: !, identifier, or 'end of string'"},
	{SP_STR_INIT("a in (a,a)"), "a in (a)", NULL},
	{SP_STR_INIT("a>9223372036854775808"), NULL,
	 "unable to parse requirement: values[0]: Invalid value: \"9223372036854775808\": for 'Gt', 'Lt' "
	 "operators, the value must be an integer"},
	{SP_STR_INIT("a\0"
		     "b"),
	 NULL, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
	{SP_STR_INIT("a,\0"
		     "b"),
	 "a,b", NULL},
	{SP_STR_INIT("a=b\0"), "a=b", NULL},
	{SP_STR_INIT("A_b.c/d=1"), NULL,
	 "unable to parse requirement: <nil>: Invalid value: \"A_b.c/d\": prefix part " SUBDOMAIN},
};

static const text_row field_rows[] = {
	{SP_STR_INIT(""), "", NULL},
	{SP_STR_INIT("a=b"), "a=b", NULL},
	{SP_STR_INIT("a==b"), "a=b", NULL},
	{SP_STR_INIT("a!=b"), "a!=b", NULL},
	{SP_STR_INIT(",,a=b,"), "a=b", NULL},
	{SP_STR_INIT("b=1,a=2"), "a=2,b=1", NULL},
	{SP_STR_INIT("a=b\\,c"), "a=b\\,c", NULL},
	{SP_STR_INIT("a=\\=\\\\"), "a=\\=\\\\", NULL},
	{SP_STR_INIT("a=\\x"), NULL, "invalid field selector: invalid escape sequence: \\x"},
	{SP_STR_INIT("a=\\é"), NULL, "invalid field selector: invalid escape sequence: \\é"},
	{SP_STR_INIT("a=b\\"), NULL, "invalid field selector: invalid escape sequence: \\"},
	{SP_STR_INIT("a=b=c"), NULL, "invalid field selector: unescaped character in value: 61"},
	{SP_STR_INIT("a"), NULL, "invalid selector: 'a'; can't understand 'a'"},
	{SP_STR_INIT("a in (b)"), NULL, "invalid selector: 'a in (b)'; can't understand 'a in (b)'"},
	{SP_STR_INIT("=x"), "=x", NULL},
	{SP_STR_INIT("a!b=c"), "a!b=c", NULL},
	{SP_STR_INIT("a\\,b=c"), "a\\,b=c", NULL},
	{SP_STR_INIT("a="), "a=", NULL},
	{SP_STR_INIT("x,a=1"), NULL, "invalid selector: 'x,a=1'; can't understand 'x'"},
};

static const text_row object_rows[] = {
	{SP_STR_INIT("{}"), "", NULL},
	{SP_STR_INIT("{\"matchLabels\":{\"b\":\"1\",\"a\":\"2\"}}"), "a=2,b=1", NULL},
	{SP_STR_INIT("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"y\",\"x\"]},{"
		     "\"key\":\"b\",\"operator\":\"Exists\"}]}"),
	 "a in (x,y),b", NULL},
	{SP_STR_INIT("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"in\",\"values\":[\"x\"]}]}"), NULL,
	 "\"in\" is not a valid label selector operator"},
	{SP_STR_INIT("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}"), NULL,
	 "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"},
	{SP_STR_INIT("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"x\"]}]}"),
	 NULL, "values: Invalid value: [\"x\"]: values set must be empty for exists and does not exist"},
	{SP_STR_INIT("{\"matchExpressions\":[{\"key\":\"-a\",\"operator\":\"NotIn\",\"values\":[\"x\",\"-y\"]"
		     "}]}"),
	 NULL,
	 "[key: Invalid value: \"-a\": name part " NAME ", values[1][-a]: Invalid value: \"-y\": " LABEL "]"},
	{SP_STR_INIT("{\"matchLabels\":{\"a\":\"-x\"}}"), NULL,
	 "values[0][a]: Invalid value: \"-x\": " LABEL},
	{SP_STR_INIT("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"DoesNotExist\"}]}"), "!a", NULL},
};

static void check(const text_row *r, sp_code code, const sp_selector *s, sp_str why)
{
	t_row(SP_FMT, SP_ARG(r->text));
	if (r->why != NULL) {
		T_CODE(code, SP_EINVAL);
		T_EQ_C(why, r->why);
		return;
	}
	T_OK(code);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	T_OK(sp_selector_print(&out, s));
	T_EQ_C(sp_buf_view(&out), r->canonical);
}

SP_TEST(selector, labels_as_upstream)
{
	for (size_t i = 0; i < SP_LEN(label_rows) && !t_failed(); i++) {
		sp_selector s = {.n = 0};
		sp_str why = SP_STR("");
		sp_code code = sp_labels_parse(T_ARENA, label_rows[i].text, &s, &why);
		check(&label_rows[i], code, &s, why);
	}
}

SP_TEST(selector, fields_as_upstream)
{
	for (size_t i = 0; i < SP_LEN(field_rows) && !t_failed(); i++) {
		sp_selector s = {.n = 0};
		sp_str why = SP_STR("");
		sp_code code = sp_fields_parse(T_ARENA, field_rows[i].text, &s, &why);
		check(&field_rows[i], code, &s, why);
	}
}

SP_TEST(selector, objects_as_upstream)
{
	for (size_t i = 0; i < SP_LEN(object_rows) && !t_failed(); i++) {
		sp_selector s = {.n = 0};
		sp_str why = SP_STR("");
		yyjson_val *object;
		T_OK(sp_json_parse(T_ARENA, object_rows[i].text, &object, T_ERR));
		sp_code code = sp_labels_of_object(T_ARENA, object, &s, &why);
		check(&object_rows[i], code, &s, why);
	}
}

SP_TEST(selector, absent_object_selects_nothing)
{
	sp_selector s;
	T_OK(sp_labels_of_object(T_ARENA, NULL, &s, NULL));
	T_TRUE(!sp_labels_match(&s, NULL, 0));
	T_OK(sp_labels_parse(T_ARENA, SP_STR(""), &s, NULL));
	T_TRUE(sp_labels_match(&s, NULL, 0));
}

SP_TEST(selector, match)
{
	static const sp_label labels[] = {{SP_STR_INIT("app"), SP_STR_INIT("web")},
					  {SP_STR_INIT("tier"), SP_STR_INIT("")},
					  {SP_STR_INIT("n"), SP_STR_INIT("7")}};
	static const struct {
		sp_str text;
		bool want;
	} rows[] = {
		{SP_STR_INIT("app"), true},
		{SP_STR_INIT("!app"), false},
		{SP_STR_INIT("app=web,tier="), true},
		{SP_STR_INIT("app!=web"), false},
		{SP_STR_INIT("x!=web"), true},
		{SP_STR_INIT("x="), false},
		{SP_STR_INIT("tier in (,a)"), true},
		{SP_STR_INIT("app notin (a,b)"), true},
		{SP_STR_INIT("x notin (a)"), true},
		{SP_STR_INIT("x in (a)"), false},
		{SP_STR_INIT("n>6,n<8"), true},
		{SP_STR_INIT("n>7"), false},
		{SP_STR_INIT("app>1"), false},
		{SP_STR_INIT("x<1"), false},
		{SP_STR_INIT("app in (a,b,c,d,e,f,g,web)"), true},
		{SP_STR_INIT("app in (a,b,c,d,e,f,g,x)"), false},
	};
	yyjson_val *json;
	T_OK(sp_json_parse(T_ARENA, SP_STR("{\"app\":\"old\",\"tier\":\"\",\"n\":\"7\",\"app\":\"web\"}"),
			   &json, T_ERR));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_selector s;
		t_row(SP_FMT, SP_ARG(rows[i].text));
		T_OK(sp_labels_parse(T_ARENA, rows[i].text, &s, NULL));
		T_EQ_I64(sp_labels_match(&s, labels, SP_LEN(labels)), rows[i].want);
		T_EQ_I64(sp_labels_match_json(&s, json), rows[i].want);
	}
}

SP_TEST(selector, exact)
{
	sp_selector s;
	sp_str v;
	T_OK(sp_labels_parse(T_ARENA, SP_STR("a in (x),b in (x,y),c!=z,d==w"), &s, NULL));
	T_TRUE(sp_selector_exact(&s, SP_STR("a"), &v));
	T_EQ_C(v, "x");
	T_TRUE(!sp_selector_exact(&s, SP_STR("b"), &v));
	T_TRUE(!sp_selector_exact(&s, SP_STR("c"), &v));
	T_TRUE(sp_selector_exact(&s, SP_STR("d"), &v));
	T_TRUE(!sp_selector_exact(&s, SP_STR("e"), &v));
	T_OK(sp_fields_parse(T_ARENA, SP_STR("metadata.name=n,metadata.name!=m"), &s, NULL));
	T_TRUE(sp_selector_exact(&s, SP_STR("metadata.name"), &v));
	T_EQ_C(v, "n");
}

static const sp_str crd_fields[] = {SP_STR_INIT(".spec.color"), SP_STR_INIT(".spec.n")};

SP_TEST(selector, fields_of_kinds)
{
	static const sp_field_kind pod = {.version = SP_STR_INIT("v1"), .kind = SP_STR_INIT("Pod")},
				   map = {.version = SP_STR_INIT("v1"), .kind = SP_STR_INIT("ConfigMap")},
				   event = {.version = SP_STR_INIT("v1"), .kind = SP_STR_INIT("Event")},
				   new_event = {SP_STR_INIT("events.k8s.io"),
						SP_STR_INIT("v1"),
						SP_STR_INIT("Event"),
						false,
						NULL,
						0},
				   job = {SP_STR_INIT("batch"),
					  SP_STR_INIT("v1"),
					  SP_STR_INIT("Job"),
					  false,
					  NULL,
					  0},
				   slice = {SP_STR_INIT("resource.k8s.io"),
					    SP_STR_INIT("v1"),
					    SP_STR_INIT("ResourceSlice"),
					    false,
					    NULL,
					    0},
				   thing = {SP_STR_INIT("example.com"),
					    SP_STR_INIT("v1"),
					    SP_STR_INIT("Thing"),
					    true,
					    crd_fields,
					    2};
	static const char web[] =
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"ns\"},\"spec\":{\"nodeName\":\"n1\"},"
		"\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"::1\"}]}}";
	static const char seen[] =
		"{\"regarding\":{\"kind\":\"Pod\"},\"deprecatedSource\":{},\"reportingController\":\"k\"}";
	static const struct {
		const sp_field_kind *kind;
		const char *text, *object, *why;
		bool want;
	} rows[] = {
		{&pod, "metadata.name=web,metadata.namespace=ns", web, NULL, true},
		{&pod, "spec.nodeName=n1", web, NULL, true},
		{&pod, "spec.host=n1", web, NULL, true},
		{&pod, "status.phase!=Running", web, NULL, false},
		{&pod, "spec.hostNetwork=false", web, NULL, true},
		{&pod, "spec.hostNetwork=true", "{\"spec\":{\"hostNetwork\":true}}", NULL, true},
		{&pod, "status.podIP=10.0.0.1,status.nominatedNodeName=", web, NULL, true},
		{&pod, "status.podIPs=10.0.0.1", web, NULL, false},
		{&pod, "spec.bogus=1", web, "field label not supported: spec.bogus", false},
		{&pod, "=x", web, "field label not supported: ", false},
		{&map, "spec.x=1", "{}",
		 "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
		 false},
		{&map, "metadata.namespace!=a", "{}", NULL, true},
		{&event, "involvedObject.kind=Pod,source=k", seen, NULL, true},
		{&event, "regarding.kind=Pod", seen, "field label not supported: regarding.kind", false},
		{&new_event, "regarding.kind=Pod,reportingController=k", seen, NULL, true},
		{&job, "status.successful=0", "{}", NULL, true},
		{&job, "status.successful=3", "{\"status\":{\"succeeded\":3}}", NULL, true},
		{&job, "status.failed=3", "{}", "field label \"status.failed\" not supported for Job", false},
		{&slice, "x=3", "{}",
		 "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x", false},
		{&thing, "spec.color=red,spec.n=-4", "{\"spec\":{\"color\":\"red\",\"n\":-4}}", NULL, true},
		{&thing, "spec.color=", "{}", NULL, true},
		{&thing, "spec.size=1", "{}", "field label not supported: spec.size", false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_selector s;
		sp_str why = SP_STR("");
		yyjson_val *object;
		t_row("%s", rows[i].text);
		T_OK(sp_fields_parse(T_ARENA, sp_str_c(rows[i].text), &s, NULL));
		sp_code code = sp_fields_bind(T_ARENA, rows[i].kind, &s, &why);
		if (rows[i].why != NULL) {
			T_CODE(code, SP_EINVAL);
			T_EQ_C(why, rows[i].why);
			continue;
		}
		T_OK(code);
		T_OK(sp_json_parse(T_ARENA, sp_str_c(rows[i].object), &object, T_ERR));
		T_EQ_I64(sp_fields_match(&s, object), rows[i].want);
	}
}

SP_TEST(selector, packed_fields)
{
	static const sp_field_kind pod = {.version = SP_STR_INIT("v1"), .kind = SP_STR_INIT("Pod")};
	static const sp_field_kind event = {.group = SP_STR_INIT("events.k8s.io"),
					    .version = SP_STR_INIT("v1"),
					    .kind = SP_STR_INIT("Event")};
	static const sp_label fields[] = {{SP_STR_INIT("spec.nodeName"), SP_STR_INIT("n1")},
					  {SP_STR_INIT("involvedObject.kind"), SP_STR_INIT("Pod")},
					  {SP_STR_INIT("reportingComponent"), SP_STR_INIT("k")}};
	static const struct {
		const sp_field_kind *kind;
		const char *text;
		bool want;
	} rows[] = {{&pod, "spec.host=n1,status.phase!=Failed", true},
		    {&pod, "spec.nodeName!=n1", false},
		    {&pod, "status.phase=Failed", false},
		    {&event, "regarding.kind=Pod,reportingController=k", true},
		    {&event, "regarding.kind=Node", false}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_selector s;
		t_row("%s", rows[i].text);
		T_OK(sp_fields_parse(T_ARENA, sp_str_c(rows[i].text), &s, NULL));
		T_OK(sp_fields_bind(T_ARENA, rows[i].kind, &s, NULL));
		T_EQ_I64(sp_fields_match_packed(&s, fields, SP_LEN(fields)), rows[i].want);
	}
}
