/* SPDX-License-Identifier: Apache-2.0 */
/* What conversion webhooks are asked and what their answers mean; the calls: test/e2e/conversion.sh. */
#include "apiserver/custom/conversion_review.h"
#include "kube/meta.h"
#include "lib/t.h"

static const sp_str one =
	SP_STR_INIT("{\"apiVersion\":\"g.io/v1\",\"kind\":\"K\",\"metadata\":{\"name\":\"a\","
		    "\"namespace\":\"n\",\"uid\":\"1-2\",\"generation\":3,\"labels\":{"
		    "\"x\":\"y\"},\"finalizers\":[\"f/g\"]},\"spec\":{\"p\":1}}");

static api_conversion_question question(bool v1beta1)
{
	return (api_conversion_question){.v1beta1 = v1beta1,
					 .uid = SP_STR("u"),
					 .api_version = SP_STR("g.io/v2"),
					 .kind = SP_STR("K"),
					 .from = SP_STR("g.io/v1, Kind=K"),
					 .objects = &one,
					 .n = 1};
}

SP_TEST(conversion, questions)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	api_conversion_question q = question(false);
	T_OK(api_conversion_write(&out, &q));
	sp_str text = sp_buf_view(&out);
	T_TRUE(sp_str_starts(text,
			     SP_STR("{\"kind\":\"ConversionReview\",\"apiVersion\":\"apiextensions.k8s.io/"
				    "v1\",\"request\":{\"uid\":\"u\",\"desiredAPIVersion\":\"g.io/v2\","
				    "\"objects\":[{\"apiVersion\":\"g.io/v1\"")));
	sp_buf_clear(&out);
	q.v1beta1 = true;
	T_OK(api_conversion_write(&out, &q));
	T_TRUE(sp_str_find(sp_buf_view(&out), SP_STR("apiextensions.k8s.io/v1beta1")) > 0);
}

#define REVIEW_AS(version, response) \
	"{\"apiVersion\":\"" version "\",\"kind\":\"ConversionReview\",\"response\":" response "}"
#define REVIEW(response) REVIEW_AS("apiextensions.k8s.io/v1", response)
#define ANSWER(objects) \
	REVIEW("{\"uid\":\"u\",\"result\":{\"status\":\"Success\"},\"convertedObjects\":[" objects "]}")
#define OBJECT(meta) "{\"apiVersion\":\"g.io/v2\",\"kind\":\"K\",\"metadata\":" meta ",\"spec\":{\"q\":1}}"
#define META(more) "{\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"1-2\"" more "}"
#define FROM "conversion webhook for g.io/v1, Kind=K "

/* U: webhook_converter.go; the texts were seen from a kube-apiserver 1.36.2. */
static const struct {
	const char *text, *says;
	bool v1beta1;
} bad[] = {
	{"hello", FROM "failed: couldn't get version/kind; json parse error: ", false},
	{"{\"response\":{}}",
	 FROM "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, "
	      "got /, Kind=",
	 false},
	{"{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"AdmissionReview\"}",
	 FROM "failed: no kind \"AdmissionReview\" is registered for version "
	      "\"apiextensions.k8s.io/v1\" in scheme",
	 false},
	{REVIEW("null"), FROM "failed: no response provided", false},
	{REVIEW("{\"uid\":\"x\"}"), FROM "failed: expected response.uid=\"u\", got \"x\"", false},
	{REVIEW("{\"uid\":\"u\",\"result\":{\"status\":\"Failure\",\"message\":\"no way\"}}"),
	 FROM "failed: no way", false},
	{REVIEW("{\"uid\":\"u\"}"), FROM "failed: response.result.status was '', not 'Success'", false},
	{ANSWER(""), FROM "returned 0 objects, expected 1", false},
	{ANSWER("null"), "unexpected end of JSON input", false},
	{ANSWER("\"x\""), "json: cannot unmarshal string into Go value of type", false},
	{ANSWER("{}"), "Object 'Kind' is missing in '{}'", false},
	{ANSWER("{\"apiVersion\":\"g.io/v1\",\"kind\":\"K\"}"),
	 FROM "returned invalid object at index 0: invalid groupVersion (expected g.io/v2, received "
	      "g.io/v1)",
	 false},
	{ANSWER("{\"apiVersion\":\"g.io/v2\",\"kind\":\"L\"}"),
	 FROM "returned invalid object at index 0: invalid kind (expected K, received L)", false},
	{ANSWER(OBJECT("{\"name\":\"b\"}")), FROM "returned invalid object: must have the same name: a != b",
	 false},
	{ANSWER(OBJECT("{\"name\":\"a\"}")),
	 FROM "returned invalid object: must have the same namespace: n != ", false},
	{ANSWER(OBJECT("{\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"9\"}")),
	 FROM "returned invalid object: must have the same UID: 1-2 != 9", false},
	{ANSWER(OBJECT(META(",\"labels\":[]"))),
	 FROM "returned invalid metadata: invalid metadata.labels of type []interface {} in converted "
	      "object",
	 false},
	{ANSWER(OBJECT(META(",\"annotations\":{\"k\":1}"))),
	 FROM "returned invalid metadata: metadata.annotations[k] must be a string, but is int64 in "
	      "converted object",
	 false},
	{ANSWER(OBJECT(META(",\"labels\":{\"k\":\"-\"}"))),
	 FROM "returned invalid metadata: metadata.labels: Invalid value: \"-\"", false},
	{REVIEW_AS("apiextensions.k8s.io/v1beta1", "{\"uid\":\"other\",\"result\":{}}"),
	 FROM "failed: response.result.status was '', not 'Success'", true},
	{REVIEW("{\"uid\":\"u\",\"result\":\"Success\"}"),
	 FROM "failed: response.result.status was '', not 'Success'", false},
	{REVIEW("{\"uid\":\"u\",\"result\":{\"status\":\"Success\"}}"), FROM "returned 0 objects, expected 1",
	 false},
	{REVIEW("{\"uid\":\"u\",\"result\":{\"status\":\"Success\"},\"convertedObjects\":{\"a\":1}}"),
	 FROM "returned 0 objects, expected 1", false},
	{ANSWER("{\"apiVersion\":\"g.io/v2\",\"kind\":\"K\"}"),
	 FROM "returned invalid object: must have the same name: a != ", false},
	{ANSWER(OBJECT("null")), FROM "returned invalid object: must have the same name: a != ", false},
	{ANSWER(OBJECT("\"x\"")), FROM "returned invalid object: must have the same name: a != ", false},
	{ANSWER(OBJECT("[]")), FROM "returned invalid object: must have the same name: a != ", false},
};

SP_TEST(conversion, bad_answers)
{
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		api_conversion_answer answer = {NULL, {NULL, 0}};
		sp_str why = {NULL, 0};
		yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
		T_TRUE(doc != NULL);
		const api_conversion_question q = question(bad[i].v1beta1);
		sp_code code = api_conversion_read(T_ARENA, doc, &q, sp_str_c(bad[i].text), &answer, &why);
		T_TRUE(code == SP_EINVAL || code == SP_OK);
		sp_str got = code == SP_OK ? answer.why : why;
		if (answer.obj != NULL || !sp_str_starts(got, sp_str_c(bad[i].says)))
			(void)t_fail(__FILE__, __LINE__, "row %zu: " SP_FMT, i, SP_ARG(got));
	}
}

/* What is wrong stays wrong when there is no room to say so. */
SP_TEST(conversion, bad_answers_without_room)
{
	for (size_t room = 256; room <= 32768; room += 64) {
		for (size_t i = 0; i < SP_LEN(bad); i++) {
			sp_arena a;
			api_conversion_answer answer = {NULL, {NULL, 0}};
			sp_str why = {NULL, 0};
			const api_conversion_question q = question(bad[i].v1beta1);
			sp_arena_init(&a, room);
			yyjson_mut_doc *doc = sp_json_doc(&a);
			sp_code code = doc == NULL ? SP_ETOOLARGE
						   : api_conversion_read(&a, doc, &q, sp_str_c(bad[i].text),
									 &answer, &why);
			bool told = code == SP_OK ? answer.obj == NULL && answer.why.len > 0
						  : code != SP_EINVAL || why.len > 0;
			if (!told)
				(void)t_fail(__FILE__, __LINE__, "row %zu with %zu bytes", i, room);
			sp_arena_done(&a);
		}
	}
}

SP_TEST(conversion, metadata_is_kept_but_for_labels)
{
	api_conversion_answer answer = {NULL, {NULL, 0}};
	sp_str why = {NULL, 0};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	const api_conversion_question q = question(false);
	T_TRUE(doc != NULL);
	T_OK(api_conversion_read(
		T_ARENA, doc, &q,
		SP_STR(ANSWER(OBJECT(META(",\"generation\":9,\"finalizers\":[],\"annotations\":{\"k\":\"v\"},"
					  "\"labels\":null")))),
		&answer, &why));
	T_TRUE(answer.obj != NULL);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	T_OK(sp_json_write_mut(&out, answer.obj));
	T_EQ_C(sp_buf_view(&out), "{\"apiVersion\":\"g.io/v2\",\"kind\":\"K\",\"metadata\":{\"name\":\"a\","
				  "\"namespace\":\"n\",\"uid\":\"1-2\",\"generation\":3,\"finalizers\":["
				  "\"f/g\"],\"annotations\":{\"k\":\"v\"}},\"spec\":{\"q\":1}}");
}
