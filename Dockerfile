# docker build -t archdsl . && docker run --rm -v "$PWD":/work archdsl build specs/resnet50.yaml
FROM python:3.12-slim
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir .
WORKDIR /work
ENTRYPOINT ["archdsl"]
