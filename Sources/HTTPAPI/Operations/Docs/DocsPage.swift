/// The documentation pages: one script that draws openapi.json, one style sheet.
enum DocsPage {
    static let scriptPath = "/docs/page.js"
    static let stylePath = "/docs/page.css"

    static func html(isInteractive: Bool) -> String {
        """
        <!DOCTYPE html>
        <html lang="en" data-interactive="\(isInteractive)">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>code-interpreter API</title>
        <link rel="stylesheet" href="\(stylePath)">
        </head>
        <body>
        <main id="page"><noscript>This page draws <a href="/openapi.json">openapi.json</a> with JavaScript.</noscript></main>
        <script src="\(scriptPath)"></script>
        </body>
        </html>

        """
    }

    /// Everything from the document and from answers gets onto the page as text nodes, never as markup.
    static let script = #"""
        'use strict';
        const interactive = document.documentElement.dataset.interactive === 'true';
        const methods = ['get', 'post', 'put', 'patch', 'delete'];

        function make(tag, attributes, ...children) {
          const element = document.createElement(tag);
          for (const [name, value] of Object.entries(attributes || {})) {
            if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
            else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
          }
          element.append(...children.filter(child => child !== null && child !== undefined));
          return element;
        }

        function resolve(api, node) {
          if (!node || !node.$ref) return node;
          return node.$ref.slice(2).split('/').reduce((place, key) => place[key], api);
        }

        function pretty(value) { return typeof value === 'string' ? value : JSON.stringify(value, null, 2); }

        function typeName(schema) {
          if (schema.$ref) return schema.$ref.split('/').pop();
          if (schema.anyOf) return schema.anyOf.map(typeName).join(' or ');
          if (schema.type === 'array') return 'array of ' + typeName(schema.items || {});
          const type = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type || 'any');
          return schema.format ? type + ' (' + schema.format + ')' : type;
        }

        function notes(schema) {
          const parts = [];
          if (schema.default !== undefined) parts.push('default ' + JSON.stringify(schema.default));
          if (schema.minimum !== undefined) parts.push('at least ' + schema.minimum);
          if (schema.maximum !== undefined) parts.push('at most ' + schema.maximum);
          if (schema.enum) parts.push('one of ' + schema.enum.map(v => JSON.stringify(v)).join(', '));
          if (schema.description) parts.push(schema.description);
          return parts.join('; ');
        }

        function schemaTable(api, node) {
          const schema = resolve(api, node);
          if (!schema || !schema.properties) return make('p', {}, node ? typeName(node) : '');
          const required = schema.required || [];
          const rows = Object.entries(schema.properties).map(([name, property]) => make('tr', {},
            make('td', {}, make('code', {}, name), required.includes(name) ? make('span', {class: 'required'}, ' required') : null),
            make('td', {}, typeName(property)), make('td', {}, notes(property))));
          return make('table', {}, make('thead', {}, make('tr', {}, make('th', {}, 'Field'), make('th', {}, 'Type'), make('th', {}, 'Notes'))), make('tbody', {}, ...rows));
        }

        function examples(content) {
          if (content.examples) return Object.values(content.examples);
          return content.example === undefined ? [] : [{summary: 'Example', value: content.example}];
        }

        function contentBlock(api, contents) {
          const block = make('div', {});
          for (const [type, content] of Object.entries(contents || {})) {
            block.append(make('p', {class: 'type'}, type));
            if (content.schema) block.append(schemaTable(api, content.schema));
            for (const example of examples(content)) {
              block.append(make('details', {}, make('summary', {}, example.summary || 'Example'), make('pre', {}, pretty(example.value))));
            }
          }
          return block;
        }

        function responses(api, operation) {
          const list = make('div', {});
          for (const [status, node] of Object.entries(operation.responses)) {
            const response = resolve(api, node);
            list.append(make('details', {class: 'response', open: status.startsWith('2')},
              make('summary', {}, make('b', {}, status), ' ' + response.description), contentBlock(api, response.content)));
          }
          return list;
        }

        async function show(response, output) {
          output.textContent = response.status + ' ' + response.statusText + '\n';
          for (const [name, value] of response.headers) output.textContent += name + ': ' + value + '\n';
          output.textContent += '\n';
          const type = response.headers.get('content-type') || '';
          if (type.includes('octet-stream')) {
            const blob = await response.blob();
            output.textContent += blob.size + ' bytes';
          } else if (type.includes('event-stream')) {
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            for (let part = await reader.read(); !part.done; part = await reader.read()) output.textContent += part.value;
          } else {
            const text = await response.text();
            try { output.textContent += JSON.stringify(JSON.parse(text), null, 2); } catch { output.textContent += text; }
          }
        }

        function target(path, parameters, inputs) {
          const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(inputs[name].value));
          const query = new URLSearchParams();
          for (const parameter of parameters) {
            const value = inputs[parameter.name].value;
            if (parameter.in === 'query' && value !== '') query.append(parameter.name, value);
          }
          return String(query) === '' ? filled : filled + '?' + query;
        }

        function fetchOptions(method, json, file, isForm) {
          const options = {method: method.toUpperCase()};
          if (json) { options.body = json.value; options.headers = {'Content-Type': 'application/json'}; }
          if (file && isForm) { options.body = new FormData(); options.body.append('file', file.files[0]); }
          if (file && !isForm) {
            options.body = file.files[0];
            options.headers = {'Content-Type': 'application/octet-stream'};
          }
          return options;
        }

        function tryIt(api, path, method, item, operation) {
          const inputs = {};
          const form = make('div', {class: 'try'});
          const parameters = (item.parameters || []).concat(operation.parameters || []);
          for (const parameter of parameters) {
            inputs[parameter.name] = make('input', {placeholder: parameter.name});
            form.append(make('label', {}, parameter.name, inputs[parameter.name]));
          }
          const contents = operation.requestBody ? operation.requestBody.content : {};
          const isForm = Boolean(contents['multipart/form-data']);
          let json = null, file = null;
          if (contents['application/json']) {
            const first = examples(contents['application/json'])[0];
            json = make('textarea', {rows: 8, spellcheck: 'false'});
            json.value = first ? JSON.stringify(first.value, null, 2) : '{}';
            form.append(json);
          } else if (isForm || contents['application/octet-stream']) {
            file = make('input', {type: 'file'});
            form.append(file);
          }
          const output = make('pre', {class: 'output', hidden: true});
          const send = async () => {
            output.hidden = false;
            // Without one, a file would be overwritten by nothing.
            if (file && !file.files[0]) { output.textContent = 'Choose a file first.'; return; }
            output.textContent = '…';
            try {
              const response = await fetch(target(path, parameters, inputs), fetchOptions(method, json, file, isForm));
              await show(response, output);
            } catch (error) { output.textContent = String(error); }
          };
          form.append(make('button', {type: 'button', onclick: send}, 'Send'), output);
          return make('details', {}, make('summary', {}, 'Try it'), form);
        }

        function operationBlock(api, path, method, item, operation) {
          const body = operation.requestBody;
          return make('details', {class: 'operation', id: operation.operationId, open: !interactive},
            make('summary', {}, make('span', {class: 'method ' + method}, method.toUpperCase()), make('code', {}, path), ' ' + operation.summary),
            operation.description ? make('p', {}, operation.description) : null,
            body ? make('h4', {}, 'Request body') : null, body ? contentBlock(api, body.content) : null,
            make('h4', {}, 'Answers'), responses(api, operation),
            interactive ? tryIt(api, path, method, item, operation) : null);
        }

        function draw(api) {
          const page = document.getElementById('page');
          page.replaceChildren(make('h1', {}, api.info.title + ' ', make('small', {}, api.info.version)), make('p', {}, api.info.description),
            make('p', {}, make('a', {href: '/openapi.json'}, 'openapi.json'), ' · ', make('a', {href: interactive ? '/redoc' : '/docs'}, interactive ? 'reference' : 'try it')));
          for (const tag of api.tags) {
            page.append(make('h2', {}, tag.name), make('p', {}, tag.description));
            for (const [path, item] of Object.entries(api.paths)) {
              for (const method of methods) {
                const operation = item[method];
                if (operation && operation.tags.includes(tag.name)) page.append(operationBlock(api, path, method, item, operation));
              }
            }
          }
          page.append(make('h2', {}, 'Schemas'));
          for (const [name, schema] of Object.entries(api.components.schemas)) {
            page.append(make('details', {class: 'operation', open: !interactive}, make('summary', {}, make('code', {}, name)), schemaTable(api, schema)));
          }
        }

        fetch('/openapi.json').then(response => response.json()).then(draw).catch(error => {
          document.getElementById('page').textContent = 'openapi.json could not be drawn: ' + error;
        });

        """#

    static let style = """
        :root { color-scheme: light dark; --line: #8884; --soft: #8881; }
        body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
        main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
        code, pre, textarea { font: 14px/1.45 ui-monospace, monospace; }
        pre, textarea { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .6rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
        textarea { width: 100%; box-sizing: border-box; color: inherit; }
        h2 { margin: 2rem 0 0; border-bottom: 1px solid var(--line); }
        h4 { margin: 1rem 0 .2rem; }
        table { border-collapse: collapse; width: 100%; }
        th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }
        summary { cursor: pointer; padding: .3rem 0; }
        .operation { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: .2rem .8rem; }
        .method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
        .get { color: #1f7a3d; } .post { color: #1f5fbf; } .delete { color: #c0392b; }
        .required { color: #c0392b; font-size: .8em; }
        .type { margin: .4rem 0; opacity: .7; }
        .try label { display: block; } .try input { margin: .3rem; } .try button { margin: .5rem 0; padding: .3rem 1.2rem; }

        """
}
