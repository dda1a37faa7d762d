/* The schemas of the API's documents, by name: what the OpenAPI page defines. */
#ifndef FACES_HTTPD_SCHEMAS_H
#define FACES_HTTPD_SCHEMAS_H

struct httpd_schema {
    const char *name, *json;
};
extern const struct httpd_schema httpd_schemas[]; /* ends in an entry without a name */

#endif
